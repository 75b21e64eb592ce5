"""The concepts of a file of concept combinations, their frequencies and their co-occurrence.

Decides what counts as one concept (its name without surrounding white space) and how co-occurrence is stored. Callers
read the files, and `sampler` draws new combinations.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ConceptTable:
    """The distinct concepts of the seed rows, in order of first appearance, and their co-occurrence.

    Attributes:
        names: N distinct names.
        frequency: (N,) number of seed rows that contain the concept; at least 1.
        indptr, indices, counts: co-occurrence as compressed sparse rows. `indices[indptr[i]:indptr[i + 1]]` are the
            concepts that share a seed row with concept i, ascending and without i itself, and `counts` beside them the
            number of seed rows that contain both. Symmetric, so every pair is stored twice: 16 bytes a pair.
    """

    names: tuple[str, ...]
    frequency: Int32
    indptr: Int64
    indices: Int32
    counts: Int32

    @classmethod
    def from_rows(cls, rows: Iterable[Iterable[str]]) -> ConceptTable:
        """Count the seed rows, each a list of concept names, in one pass.

        A concept that is repeated in one row counts once; names that contain only white space are
        ignored.

        Raises:
            InputError: a row is not a list of strings, or no row holds any concept.
        """
        names, members, lengths = _read(rows)
        if not names:
            raise InputError("concepts: none of the seed rows has a concept")
        frequency = np.bincount(members, minlength=len(names)).astype(np.int32)
        return cls(tuple(names), frequency, *_cooccurrence(members, lengths, len(names)))

    def __len__(self) -> int:
        return len(self.names)


def align_embeddings(table: ConceptTable, names: Iterable[str], rows: int) -> Int32:
    """Return (N,) the matrix row of each concept, so that the matrix is never copied or reordered.

    `names` are those of the `rows` rows of an embedding matrix, in order. Names that are not in the table are ignored;
    for a repeated name, the first row counts.

    Raises:
        InputError: names and rows differ in number, or concepts have no embedding (the first few are named).
    """
    concept_of = {name: concept for concept, name in enumerate(table.names)}
    row_of = np.full(len(table), -1, np.int32)
    seen = 0
    for row, name in enumerate(names):
        concept = concept_of.get(name.strip())
        if concept is not None and row_of[concept] < 0:
            row_of[concept] = row
        seen = row + 1
    if seen != rows:
        raise InputError(f"embeddings: {seen} names for {rows} rows of the matrix")
    missing = np.flatnonzero(row_of < 0)
    if missing.size:
        raise InputError(_missing([table.names[i] for i in missing[:5]], missing.size, len(table)))
    return row_of


def _missing(first: list[str], count: int, total: int) -> str:
    named = ", ".join(repr(name) for name in first) + (", …" if count > len(first) else "")
    return f"embeddings: {count} of {total} concepts have none: {named}; encode the same concepts file again"


def _read(rows: Iterable[Iterable[str]]) -> tuple[list[str], Int32, Int64]:
    """Return the names, the concepts of all rows one after the other, and the number of concepts in each row."""
    concept_of: dict[str, int] = {}
    members, lengths = array("i"), array("q")
    for number, row in enumerate(rows, 1):
        concepts = [concept_of.setdefault(name, len(concept_of)) for name in _names(row, number)]
        members.extend(concepts)
        lengths.append(len(concepts))
    return list(concept_of), np.asarray(members, np.int32), np.asarray(lengths, np.int64)


def _names(row: Iterable[str], number: int) -> list[str]:
    """Return the distinct names of one row, in order."""
    try:
        # A string is iterable as well, and would silently become a list of letters.
        if not isinstance(row, str):
            return list(dict.fromkeys(name for concept in row if (name := str.strip(concept))))
    except TypeError:
        pass
    raise InputError(f"seed row {number}: `concepts` must be a list of strings")


def _cooccurrence(members: Int32, lengths: Int64, concepts: int) -> tuple[Int64, Int32, Int32]:
    keys = pair_keys(members, lengths, concepts)
    keys.sort()
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: keys.size])
    counts = np.diff(np.r_[first, keys.size]).astype(np.int32)
    keys = keys[first]
    indptr = np.searchsorted(keys, np.arange(concepts + 1, dtype=np.int64) * concepts)
    return indptr, (keys % concepts).astype(np.int32), counts


def pair_keys(members: Int32, lengths: Int64, concepts: int) -> Int64:
    """Return `concepts * i + j` for all ordered pairs i ≠ j of every row; vectorised over rows of equal length."""
    starts = np.cumsum(lengths) - lengths
    keys = np.empty(int(np.sum(lengths * (lengths - 1))), np.int64)
    filled = 0
    for length in np.unique(lengths):
        rows = members[starts[lengths == length][:, None] + np.arange(length)].astype(np.int64)
        for shift in range(1, length):
            pairs = rows * concepts + np.roll(rows, shift, axis=1)
            keys[filled : filled + pairs.size] = pairs.ravel()
            filled += pairs.size
    return keys
