"""Cosines between concepts and directions, and the early-ending test "is this cosine at least t?".

Decides how embeddings are read: in place, a few rows at a time, in single precision, so that a memory-mapped matrix may
have any size; and what is kept in memory: a sketch of at most 540 bytes a concept. `race` uses the cosines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int = NDArray[np.integer[Any]]

_BLOCK, _BLOCKS = 256, 2
"""The number of coordinates in a block of the sketch, and of blocks that are read before the embedding itself."""

_VALUES = 1 << 16
"""The number of values converted at a time: few enough for the CPU cache."""

_SAMPLE = 1024
"""The sketch has the coordinates that are the largest on average, over about this many concepts."""


@dataclass(frozen=True, eq=False)
class Directions:
    """n directions, as unit vectors; zero if undefined.

    Attributes:
        unit: (n, dim) the vectors.
        head: (n · blocks, block) the coordinates that are in the sketch.
        beyond: (blocks, n) the length of the remainder after each block.
    """

    unit: Float32
    head: Float32
    beyond: Float32


class Similarity:
    """Cosines of concepts with directions, over an embedding matrix that is never copied.

    A zero vector has cosine 0 with everything. Construction reads the matrix once, and stores the norms and a sketch:
    the 512 coordinates that carry most, quantised to eight bits, with the quantisation error.

    Args:
        matrix: (rows, dim) float16, float32 or float64 in C order (otherwise it is copied), `np.memmap` included;
            None makes every cosine 0.
        row_of: (N,) the matrix row of each concept.

    Attributes:
        bound: the upper bound of all cosines: 1, or 0 without embeddings.

    Raises:
        InputError: an embedding is not finite, or the shapes do not fit.
    """

    def __init__(self, matrix: NDArray[Any] | None, row_of: Int) -> None:
        self.bound = 0.0 if matrix is None else 1.0
        if matrix is None:
            matrix = np.zeros((int(row_of.max(initial=0)) + 1, 1), np.float32)
        if matrix.ndim != 2 or matrix.dtype.kind != "f" or row_of.max(initial=0) >= len(matrix):
            raise InputError(f"embeddings: {matrix.dtype} of shape {matrix.shape} has no row for some of the concepts")
        self._matrix, self._row_of = np.ascontiguousarray(matrix), row_of
        self._blocks = min(_BLOCKS, self._matrix.shape[1] // _BLOCK)
        sample = self.rows(np.arange(0, len(row_of), 1 + len(row_of) // _SAMPLE))
        self._order = np.argsort(-np.abs(sample).mean(axis=0), kind="stable")[: self._blocks * _BLOCK]
        self._measure(len(row_of))

    def rows(self, concepts: Int) -> Float32:
        """Return the embeddings (n, dim) of n concepts in single precision."""
        return _single(self._matrix.take(self._row_of[concepts], axis=0))

    def directions(self, vectors: Float32) -> Directions:
        """Return the directions of n vectors (n, dim)."""
        unit = vectors * _inverse_norms(vectors)[:, None]
        head = self._head(unit)
        return Directions(unit, head.reshape(-1, _BLOCK), _beyond(unit, head))

    def cosines(self, concepts: Int, directions: Directions, owner: Int) -> Float32:
        """Return (n,) the cosine of `concepts[i]` with direction `owner[i]`."""
        return _dots(self._matrix, self._row_of[concepts], directions.unit, owner) * self._inverse[concepts]

    def reaching(self, concepts: Int, directions: Directions, owner: Int, threshold: Float64) -> Int:
        """Return, ascending, the indices i where `concepts[i]` and direction `owner[i]` have cosine ≥ `threshold[i]`.

        By Cauchy-Schwarz, unread coordinates add at most the product of the lengths of both remainders. Most thresholds
        are out of reach after the first block of the sketch, and nothing more is read.
        """
        place = np.flatnonzero(threshold <= self.bound)
        notes = self._notes.take(concepts[place])
        most = notes["error"]
        for block in range(self._blocks):
            left, right = concepts[place] * self._blocks + block, owner[place] * self._blocks + block
            most += _dots(self._sketch, left, directions.head, right) * notes["scale"]
            beyond = notes["beyond"][:, block] * directions.beyond[block].take(owner[place])
            going = np.flatnonzero(most + beyond >= threshold[place])
            place, notes, most = place[going], notes[going], most[going]
        return place[self.cosines(concepts[place], directions, owner[place]) >= threshold[place]]

    def _measure(self, concepts: int) -> None:
        """Store the norms, the sketch, its scales and errors, and the lengths of the remainders after its blocks."""
        self._inverse = np.empty(concepts, np.float32)
        # In one record: with a million concepts, each number stored elsewhere costs one more cache miss.
        record = [("scale", np.float32), ("error", np.float32), ("beyond", np.float32, (self._blocks,))]
        self._notes = np.zeros(concepts, record)
        sketch = np.empty((concepts, len(self._order)), np.int8)
        for part in _parts(concepts, self._matrix.shape[1]):
            rows = self._matrix.take(self._row_of[part], axis=0)
            if not _finite(rows):
                raise InputError(f"embeddings: a value of concepts {part.start + 1} to {part.stop} is not finite")
            single = _single(rows)
            self._inverse[part] = _inverse_norms(single)
            unit = single * self._inverse[part, None]
            head = self._head(unit)
            notes = self._notes[part]
            notes["beyond"] = _beyond(unit, head).T
            sketch[part], notes["scale"], notes["error"] = _quantise(head.reshape(len(head), -1))
        self._sketch = sketch.reshape(-1, _BLOCK)

    def _head(self, unit: Float32) -> Float32:
        """Return (n, blocks, block) the coordinates of vectors (n, dim) that are in the sketch."""
        return unit.take(self._order, axis=1).reshape(len(unit), self._blocks, _BLOCK)


def _inverse_norms(vectors: Float32) -> Float32:
    norms = np.sqrt(np.vecdot(vectors, vectors))
    return np.where(norms > 0, 1 / np.where(norms > 0, norms, 1), 0)


def _quantise(head: Float32) -> tuple[Float32, Float32, Float32]:
    """Return integers (n, m) within ±127, (n,) their scales, and (n,) the lengths of the errors, rounded up."""
    scale = np.abs(head).max(axis=1, initial=0) / 127
    rounded = np.rint(head / np.where(scale > 0, scale, 1)[:, None])
    wrong = head - rounded * scale[:, None]
    return rounded, scale, np.sqrt(np.vecdot(wrong, wrong)) * np.float32(1.001) + np.float32(1e-5)


def _beyond(unit: Float32, head: Float32) -> Float32:
    """Return (blocks, n) the lengths of the remainders of vectors (n, dim) after each block of (n, blocks, block)."""
    left = np.vecdot(unit, unit)[:, None] - np.cumsum(np.vecdot(head, head), axis=1)
    return np.ascontiguousarray(np.sqrt(np.maximum(left, 0)).T)


def _dots(matrix: NDArray[Any], left: Int, vectors: Float32, right: Int) -> Float32:
    """Return (n,) the inner products of `matrix[left[i]]` and `vectors[right[i]]`."""
    result = np.empty(len(left), np.float32)
    parts = list(_parts(len(left), matrix.shape[1]))
    # Reused, because page faults of new arrays of this size would cost more time than the arithmetic.
    shape = (parts[0].stop if parts else 0, matrix.shape[1])
    rows, others = np.empty(shape, matrix.dtype), np.empty(shape, np.float32)
    single = rows if matrix.dtype == np.float32 else np.empty(shape, np.float32)
    for part in parts:
        count = part.stop - part.start
        matrix.take(left[part], axis=0, out=rows[:count], mode="clip")
        vectors.take(right[part], axis=0, out=others[:count], mode="clip")
        if single is not rows:
            _convert(rows[:count], single[:count])
        np.vecdot(single[:count], others[:count], out=result[part])
    return result


def _parts(rows: int, width: int) -> Iterator[slice]:
    step = max(_VALUES // width, 1)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _finite(values: NDArray[Any]) -> bool:
    if values.dtype != np.float16:
        return bool(np.isfinite(values).all())
    return not ((values.view(np.uint16) & 0x7C00) == 0x7C00).any()  # ten times faster than `isfinite` on float16


def _single(values: NDArray[Any]) -> Float32:
    """Return values in single precision."""
    single = np.empty(values.shape, np.float32)
    _convert(values, single)
    return single


def _convert(values: NDArray[Any], single: Float32) -> None:
    """Fill `single` with values. Shifting the bits of finite float16 values is several times faster than a cast."""
    if values.dtype != np.float16:
        single[...] = values
        return
    bits = single.view(np.int32)
    bits[...] = values.view(np.int16)
    bits <<= 13
    bits &= np.int32(-0x70000001)  # keep sign, exponent and fraction, without the copies of the sign
    single *= np.float32(2.0**112)  # 127 - 15: the difference of the exponents' offsets
