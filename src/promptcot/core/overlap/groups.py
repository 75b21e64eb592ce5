"""Groups rows that share concepts or have similar texts.

Sets of concepts are compared by their exact Jaccard similarity: two sets of a and b concepts reach a bound if they
share m of them, so all rows with a common subset of size m are found by its hash. Texts are compared by MinHash
signatures (`stages.marks`): rows that share a band are neighbours when sorted by it, and if there are very many, only
the nearest neighbours are compared. Takes about 60 bytes a row while it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MOST_CONCEPTS = 8
"""Of a longer list, only concepts with the smallest hashes are used, which estimates the same similarity (Broder
1997)."""
WIDTH = 128
"""Bytes of a signature."""
_BAND = 4
_NEIGHBOURS = 8
_KEYS_AT_ONCE = 2_000_000
_PAIRS_AT_ONCE = 1 << 15
_ROWS_AT_ONCE = 1 << 14
_MOST_WITH_A_KEY = 32
_MIX, _MULTIPLIER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(29)

Places = NDArray[np.int64]
Hashes = NDArray[np.uint64]


class Signatures(Protocol):
    """MinHash signatures, array (rows, WIDTH) of bytes, in memory or on disk."""

    def __len__(self) -> int: ...

    def columns(self, first: int, width: int) -> NDArray[np.uint8]:
        """Some bytes of each signature, array (rows, width); the first byte follows the last."""

    def rows(self, places: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The signatures of some rows."""


class Groups:
    """Groups of rows, which are numbered from 0. Each row is a group of its own until it is joined with others."""

    def __init__(self, rows: int) -> None:
        self._parents = np.arange(rows, dtype=np.int32)

    def heads(self) -> NDArray[np.int32]:
        """For each row the first row of its group: array (rows,)."""
        while not np.array_equal(above := self._parents[self._parents], self._parents):
            self._parents = above
        return self._parents

    def join(self, one: NDArray[np.integer], other: NDArray[np.integer]) -> None:
        """Join the group of each row with that of the other row at the same index."""
        while len(one):
            heads = self.heads()
            first, second = heads[one], heads[other]
            apart = first != second
            one, other = np.minimum(first[apart], second[apart]), np.maximum(first[apart], second[apart])
            np.minimum.at(self._parents, other, one)


class Concepts:
    """The concepts of rows as 32-bit hashes, each once a row."""

    def __init__(self, sets: Sequence[Sequence[int]] = ()) -> None:
        self._hashes: list[NDArray[np.uint32]] = []
        self._counts: list[NDArray[np.uint8]] = []
        if sets:
            self.add(sets)

    def add(self, sets: Sequence[Sequence[int]]) -> None:
        """Add the concepts of some rows."""
        fewer = [sorted({concept & 0xFFFFFFFF for concept in one})[:MOST_CONCEPTS] for one in sets]
        self._counts.append(np.array([len(one) for one in fewer], np.uint8))
        self._hashes.append(np.array([concept for one in fewer for concept in one], np.uint32))

    def by_size(self) -> dict[int, tuple[Places, NDArray[np.uint32]]]:
        """For each number of concepts, the rows with so many, and their concepts: arrays (rows,) and (rows, size)."""
        counts, hashes = np.concatenate(self._counts), np.concatenate(self._hashes)
        self._counts, self._hashes = [counts], [hashes]
        starts = np.cumsum(counts, dtype=np.int64) - counts
        sizes = {}
        for size in np.unique(counts[counts > 0]).tolist():
            rows = np.flatnonzero(counts == size)
            sizes[size] = rows, hashes[starts[rows][:, None] + np.arange(size)]
        return sizes

    @property
    def without(self) -> int:
        """The number of rows without concepts."""
        return sum(int((counts == 0).sum()) for counts in self._counts)


def join_by_concepts(groups: Groups, concepts: Concepts, least: float) -> None:
    """Join rows whose sets of concepts have at least this Jaccard similarity, above 0."""
    sized = concepts.by_size()
    for one in sized:
        for other in (size for size in sized if one <= size <= one / least):
            shared = math.ceil(least * (one + other) / (1 + least) - 1e-9)
            rows = [sized[size] for size in dict.fromkeys((one, other))]
            total = sum(len(places) * math.comb(hashes.shape[1], shared) for places, hashes in rows)
            for part in range(parts := 1 + total // _KEYS_AT_ONCE):
                _join_equal(groups, [_subsets(*some, shared, part, parts) for some in rows])


def _subsets(
    rows: Places, hashes: NDArray[np.uint32], size: int, part: int, parts: int
) -> tuple[Hashes, NDArray[np.int32]]:
    """The hash of each subset of this size, and its row; only one part of all such hashes."""
    keys, its = [], []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[first : first + _ROWS_AT_ONCE].astype(np.int32)
        mixed = _mixed(hashes[first : first + _ROWS_AT_ONCE].astype(np.uint64) + np.uint64(1))
        for columns in combinations(range(hashes.shape[1]), size):
            found = _mixed(mixed[:, columns].sum(axis=1, dtype=np.uint64))
            these = found % np.uint64(parts) == part
            keys.append(found[these])
            its.append(some[these])
    return np.concatenate(keys), np.concatenate(its)


def _mixed(hashes: Hashes) -> Hashes:
    mixed: Hashes = hashes * _MIX
    mixed ^= mixed >> _SHIFT
    mixed *= _MULTIPLIER
    mixed ^= mixed >> _SHIFT
    return mixed


def _join_equal(groups: Groups, sides: Sequence[tuple[Hashes, NDArray[np.int32]]]) -> None:
    """Join rows with the same key; with two sides, only rows of different sides."""
    keys, rows = (np.concatenate(arrays) for arrays in zip(*sides, strict=True))
    side = np.repeat(np.arange(len(sides), dtype=np.uint8), [len(its) for its, _ in sides])
    order = np.argsort(keys, kind="stable")  # for equal keys, one side after the other
    keys, rows, side = keys[order], rows[order], side[order]
    same = keys[1:] == keys[:-1]
    if len(sides) > 1:
        starts = np.flatnonzero(np.append(True, ~same)) if len(keys) else np.empty(0, np.int64)
        lengths = np.diff(np.append(starts, len(keys)))
        both = side[starts] != side[starts + lengths - 1]
        same &= np.repeat(both, lengths)[1:]
    groups.join(rows[:-1][same], rows[1:][same])


def join_by_texts(groups: Groups, signatures: Signatures, least: float) -> None:
    """Join rows whose signatures agree by at least this share."""
    for first in range(0, WIDTH, _BAND):
        keys = np.ascontiguousarray(signatures.columns(first, 2 * _BAND)).view(">u8")[:, 0].astype(np.uint64)
        order = np.argsort(keys, kind="stable").astype(np.int32)
        bands = (keys[order] >> np.uint64(32)).astype(np.uint32)
        del keys
        for step in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
            near = np.flatnonzero(bands[step:] == bands[:-step])
            one, other = order[near], order[near + step]
            heads = groups.heads()
            apart = heads[one] != heads[other]
            one, other = one[apart], other[apart]
            fit = _agree(signatures, one, other, least)
            groups.join(one[fit], other[fit])


def _agree(
    signatures: Signatures, one: NDArray[np.integer], other: NDArray[np.integer], least: float
) -> NDArray[np.bool_]:
    """For which pairs of rows the signatures agree by at least this share."""
    agree = np.zeros(len(one), np.bool_)
    for first in range(0, len(one), _PAIRS_AT_ONCE):
        some = slice(first, first + _PAIRS_AT_ONCE)
        same = signatures.rows(one[some]) == signatures.rows(other[some])
        agree[some] = np.count_nonzero(same, axis=1) >= least * WIDTH
    return agree


def crossing(signatures: Signatures, splits: NDArray[np.uint8], least: float) -> NDArray[np.uint8]:
    """For each row, the number of the held-out split that has a similar row; 0 if there is none, as for most.

    `splits` are numbers, 0 for train. Similar signatures agree by at least this share. Rows of train are compared with
    all held-out rows, those of a split with the earlier splits. Compared are only rows that share three bytes at one of
    42 places, which finds 99.6 % of texts with a similarity of 0.5, and at most 32 rows at each place.
    """
    split_of = np.zeros(len(splits), np.uint8)
    held, known = np.flatnonzero(splits), np.zeros(1 << 24, np.bool_)
    for first in range(0, WIDTH - 2, 3):
        keys = signatures.columns(first, 3).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        known[keys[held]] = True
        rows = np.flatnonzero(known[keys] & (split_of == 0))
        known[keys[held]] = False
        order = held[np.argsort(keys[held], kind="stable")]
        for one, other in _pairs(rows, keys, order):
            apart = (splits[one] == 0) | (splits[other] < splits[one])
            one, other = one[apart], other[apart]
            fit = _agree(signatures, one, other, least)
            split_of[one[fit]] = splits[other[fit]]
    return split_of


def _pairs(
    rows: Places, keys: NDArray[np.uint32], order: Places
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of a row and a row of `order` with the same key, in blocks; `order` is sorted by key."""
    lows, highs = (np.searchsorted(keys[order], keys[rows], side) for side in ("left", "right"))
    counts = np.minimum(highs - lows, _MOST_WITH_A_KEY)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        its, before = counts[some], np.cumsum(counts[some]) - counts[some]
        places = np.arange(its.sum()) + np.repeat(lows[some] - before, its)
        one, other = np.repeat(rows[some], its), order[places]
        yield one[one != other], other[one != other]
