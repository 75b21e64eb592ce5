"""Finds rows with a common hash: a table in memory that grows with every row, by 14 to 19 bytes for each hash.

For a frequent hash only the latest rows are returned, and the omission is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

_SMALLEST = 1 << 12
_SPREAD = np.uint32(0x9E3779B1)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Hits:
    """`rows` that have the hash at index `of` of the query; `unseen` are indices for which some rows were left out."""

    rows: Rows
    of: Rows
    unseen: Rows


class Buckets:
    """A hash table of rows: for each slot a chain of entries, the latest first."""

    def __init__(self, most: int) -> None:
        """`most` is how many entries of a slot are read."""
        self._most = most
        self._count = 0
        self._hashes = np.empty(_SMALLEST, np.uint32)
        self._rows = np.empty(_SMALLEST, np.int32)
        self._before = np.empty(_SMALLEST, np.int32)
        self._last = np.full(_SMALLEST, -1, np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """The size in bytes."""
        return sum(array.nbytes for array in (self._hashes, self._rows, self._before, self._last))

    def add(self, rows: NDArray[np.integer[Any]], hashes: NDArray[np.uint32]) -> None:
        """Add each row with the hash at the same index; a row must not be added twice with the same hash."""
        first, end = self._count, self._count + len(hashes)
        if end > len(self._rows):
            self._grow(end)
        self._hashes[first:end], self._rows[first:end] = hashes, rows
        self._chain(first, end)
        self._count = end

    def find(self, hashes: NDArray[np.uint32]) -> Hits:
        """The rows that have one of these hashes, repeated for each common hash."""
        entries, which = self._last[self._slots(hashes)], np.arange(len(hashes), dtype=np.int32)
        rows, of = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for _ in range(self._most):
            there = (entries >= 0).nonzero()[0]
            if not len(there):
                break
            entries, which = entries[there], which[there]
            same = (self._hashes[entries] == hashes[which]).nonzero()[0]
            if len(same):
                rows.append(self._rows[entries[same]])
                of.append(which[same])
            entries = self._before[entries]
        return Hits(np.concatenate(rows), np.concatenate(of), which[entries >= 0])

    def _slots(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        slots: NDArray[np.uint32] = (hashes * _SPREAD) >> np.uint32(33 - len(self._last).bit_length())
        return slots

    def _chain(self, first: int, end: int) -> None:
        """Put entries at the head of the chains of their slots, in their order."""
        both = self._slots(self._hashes[first:end]).astype(np.uint64) << _HALF | np.arange(first, end, dtype=np.uint64)
        both.sort()  # sorting values is faster than sorting indices
        entries, slots = both.astype(np.uint32).astype(np.int32), (both >> _HALF).astype(np.uint32)
        follows = slots[1:] == slots[:-1]
        self._before[entries[:1]] = self._last[slots[:1]]
        self._before[entries[1:]] = np.where(follows, entries[:-1], self._last[slots[1:]])
        self._last[slots[:-1][~follows]] = entries[:-1][~follows]
        self._last[slots[-1:]] = entries[-1:]

    def _grow(self, needed: int) -> None:
        """Grow by an eighth, with at least one slot for every two entries."""
        room = max(needed, len(self._rows) * 9 // 8)
        for name in ("_hashes", "_rows", "_before"):
            array = getattr(self, name)
            larger = np.empty(room, array.dtype)
            larger[: self._count] = array[: self._count]
            setattr(self, name, larger)
        if room > 2 * len(self._last):
            self._last = np.full(1 << (room - 1).bit_length() - 1, -1, np.int32)
            self._chain(0, self._count)
