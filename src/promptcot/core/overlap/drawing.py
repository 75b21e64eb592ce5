"""Draws the groups of rows for the validation and test holdouts, to meet their shares without dividing a group.

Groups are drawn in an order that depends only on the seed and the ids of their rows, so that an added row moves few
others. A group that would fill more than a quarter of a split is used only if smaller ones do not suffice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.1
"""The share of a split's target size that may be missing."""
_LARGEST = 0.25


def draw(heads: NDArray[np.int32], keys: NDArray[np.uint64], wanted: Sequence[int]) -> NDArray[np.uint8]:
    """The split of each row: 0 for none, 1 for the first of `wanted`, and so on.

    `heads` has the group of each row, `keys` the hashes of the rows, `wanted` the largest number of rows of each split.
    """
    distinct_heads, group = np.unique(heads, return_inverse=True)
    sizes = np.bincount(group, minlength=len(distinct_heads))
    first = np.full(len(distinct_heads), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(first, group, keys)
    order = np.argsort(first, kind="stable")
    taken = np.zeros(len(distinct_heads), np.uint8)
    for split, rows in enumerate(wanted, 1):
        left = rows
        for largest in (max(1, int(rows * _LARGEST)), rows):
            left -= _take(taken, order, sizes, split, left, largest)
    return taken[group]


def _take(
    taken: NDArray[np.uint8], order: NDArray[np.int64], sizes: NDArray[np.int64], split: int, room: int, largest: int
) -> int:
    """Assign free groups to a split, as far as they fit. Returns the number of their rows."""
    before = room
    for group in map(int, order):  # a list of them would take 40 bytes a row
        if not room:
            break
        if not taken[group] and sizes[group] <= min(room, largest):
            taken[group] = split
            room -= int(sizes[group])
    return before - room


def met(had: int, wanted: int) -> bool:
    """Whether a split has nearly as many rows as wanted, or all."""
    return had >= wanted - max(TOLERANCE * wanted, 0.5)
