"""Which rows have a hash in common: a table in memory that grows with every row, 16 to 20 bytes for each of its hashes.

Only the latest rows of a hash that many have are given, and it is told where there would have been more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

_SMALLEST = 1 << 12
_SPREAD = np.uint32(0x9E3779B1)


class Buckets:
    """Rows by their hashes: chains of entries, the latest first, which begin at the slot of a hash."""

    def __init__(self, most: int) -> None:
        """`most` is how many entries of a slot are looked at."""
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
        """Bytes."""
        return sum(array.nbytes for array in (self._hashes, self._rows, self._before, self._last))

    def add(self, row: int, hashes: NDArray[np.uint32]) -> None:
        """Note that a row has these hashes, which are different ones."""
        first, end = self._count, self._count + len(hashes)
        if end > len(self._rows):
            self._grow(end)
        self._hashes[first:end], self._rows[first:end] = hashes, row
        self._chain(first, end)
        self._count = end

    def find(self, hashes: NDArray[np.uint32]) -> tuple[Rows, bool]:
        """The rows that have one of these hashes, once for each that they have, and whether some were left out."""
        entries, found = self._last[self._slots(hashes)], []
        for _ in range(self._most):
            there = entries >= 0
            if not there.all():
                entries, hashes = entries[there], hashes[there]
            if not len(entries):
                break
            found.append(self._rows[entries][self._hashes[entries] == hashes])
            entries = self._before[entries]
        return np.concatenate(found) if found else np.empty(0, np.int32), bool((entries >= 0).any())

    def _slots(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        slots: NDArray[np.uint32] = (hashes * _SPREAD) >> np.uint32(33 - len(self._last).bit_length())
        return slots

    def _chain(self, first: int, end: int) -> None:
        """Put entries at the head of the chains of their slots, in their order."""
        slots = self._slots(self._hashes[first:end])
        order = np.argsort(slots, kind="stable")
        entries, slots = (order + first).astype(np.int32), slots[order]
        follows = slots[1:] == slots[:-1]
        self._before[entries[:1]] = self._last[slots[:1]]
        self._before[entries[1:]] = np.where(follows, entries[:-1], self._last[slots[1:]])
        heads = np.append(~follows, True) if len(slots) else follows
        self._last[slots[heads]] = entries[heads]

    def _grow(self, needed: int) -> None:
        """Twice the room, and as many slots as there is room for entries."""
        room = max(needed, 2 * len(self._rows))
        for name in ("_hashes", "_rows", "_before"):
            array = getattr(self, name)
            larger = np.empty(room, array.dtype)
            larger[: self._count] = array[: self._count]
            setattr(self, name, larger)
        if room > len(self._last):
            self._last = np.full(1 << (room - 1).bit_length(), -1, np.int32)
            self._chain(0, self._count)
