"""Decides which rows share a sequence, and the order of the sequences. Works on numbers alone.

Packs are made by best-fit decreasing: the longest row goes first, always into the fullest sequence that still has room
(Johnson 1973: never more than 11/9 of the best possible count, plus a constant). Packs are looked up by their free
space, and rows of one length are placed together, so the time is close to that of sorting.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray


def pack(lengths: NDArray[np.int32], window: int) -> list[NDArray[np.int32]]:
    """Packs of row numbers, ascending in each, with a total length of at most `window`. Every row is in one pack.

    The packs of the longest rows come first. Raises ValueError for a length below 1 or above the window.
    """
    if len(lengths) == 0:
        return []
    if lengths.min() < 1 or lengths.max() > window:
        raise ValueError(f"lengths from 1 to {window} can be packed; these go from {lengths.min()} to {lengths.max()}")
    descending = np.argsort(-lengths.astype(np.int64), kind="stable")
    pack_of_row = np.empty(len(lengths), np.int64)
    pack_of_row[descending] = _place(lengths[descending].tolist(), window)
    rows = np.argsort(pack_of_row, kind="stable").astype(np.int32)
    return np.split(rows, np.cumsum(np.bincount(pack_of_row))[:-1])


def order(count: int, epochs: float, seed: int, wanted: int | None = None) -> NDArray[np.int64]:
    """Numbers below `count` in training order: each epoch in another order, drawn from (seed, epoch).

    As many as `wanted`, over as many epochs as necessary; otherwise those of all epochs, the last of which may be
    partial; at least one.
    """
    total = wanted if wanted is not None else max(1, round(count * epochs))
    if count == 0:
        return np.empty(0, np.int64)
    drawn = [np.random.default_rng([seed, epoch]).permutation(count) for epoch in range(-(-total // count))]
    chosen: NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *drawn])
    return chosen[:total]


class _Room:
    """Packs by their free space, and the free spaces in order."""

    def __init__(self) -> None:
        self._packs: dict[int, list[int]] = {}
        self._spaces: list[int] = []

    def put(self, space: int, packs: list[int]) -> None:
        if space == 0 or not packs:
            return
        if space not in self._packs:
            insort(self._spaces, space)
            self._packs[space] = []
        self._packs[space] += packs

    def take(self, length: int, wanted: int) -> tuple[int, list[int]]:
        """The smallest space that holds `length`, and as many packs of it as `wanted` rows fill; (0, []) if none."""
        place = bisect_left(self._spaces, length)
        if place == len(self._spaces):
            return 0, []
        space = self._spaces[place]
        packs = self._packs[space]
        count = -(-wanted // (space // length))
        taken = packs[-count:]
        del packs[-count:]
        if not packs:
            del self._packs[space], self._spaces[place]
        return space, taken


def _place(lengths: list[int], window: int) -> list[int]:
    """The pack of each row, for lengths in descending order."""
    room, opened = _Room(), 0
    placed: list[int] = []
    while len(placed) < len(lengths):
        length = lengths[len(placed)]
        left = _run(lengths, len(placed))
        while left:
            space, packs = room.take(length, left)
            if not packs:
                space, count = window, -(-left // (window // length))
                packs = list(range(opened, opened + count))
                opened += count
            each = space // length
            full, rest = divmod(left, each) if left < each * len(packs) else (len(packs), 0)
            placed += [pack for pack in packs[:full] for _ in range(each)] + packs[full:] * rest
            room.put(space - each * length, packs[:full])
            if rest:
                room.put(space - rest * length, packs[full:])
            left -= full * each + rest
    return placed


def _run(lengths: list[int], start: int) -> int:
    """The number of rows from `start` on with the same length."""
    return bisect_left(lengths, -lengths[start] + 1, lo=start, key=lambda length: -length) - start
