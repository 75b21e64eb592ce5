"""The number of problems of each difficulty and level in a set, as close as possible to the requested shares.

Pure counting. Available problems are counted in a table `there` of shape (bins of difficulty, levels); if only one of
the two is requested, the other has a single entry.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

_ROUNDS = 100


def nearest(there: Counts, bins: Shares, levels: Shares, size: int) -> Counts:
    """How many problems to take from each cell: `size` in total, or all available ones.

    If a bin or level has too few problems, the others fill up in proportion to their shares. If both kinds of shares
    cannot be met at once, those of `bins` are met, and those of `levels` as far as possible.
    """
    rows, columns = quotas(bins, there.sum(axis=1), size), quotas(levels, there.sum(axis=0), size)
    given = allot(there, rows, columns)
    return given + allot(there - given, rows - given.sum(axis=1), np.full_like(columns, there.sum()))


def largest(there: Counts, bins: Shares, levels: Shares) -> int:
    """The most problems that can be taken with exactly these shares; bins and levels without problems are ignored."""
    bins, levels = _present(bins, there.sum(axis=1)), _present(levels, there.sum(axis=0))

    def fits(size: int) -> bool:
        plenty = np.full(max(there.shape), size)
        rows, columns = quotas(bins, plenty[: len(bins)], size), quotas(levels, plenty[: len(levels)], size)
        return int(allot(there, rows, columns).sum()) == size

    low, high = 0, int(there.sum())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def quotas(shares: Shares, there: Counts, size: int) -> Counts:
    """Integers in proportion to `shares`, at most `there`, whose sum is `size`, or all problems that have a share.

    Missing problems are replaced from the others in proportion. Rounding follows the largest remainders.
    """
    exact, is_open, left = np.zeros(len(shares)), shares > 0, float(size)
    while is_open.any():
        fair = np.where(is_open, left * shares / shares[is_open].sum(), 0.0)
        full = is_open & (fair >= there)
        if not full.any():
            exact += fair
            break
        exact[full] = there[full]
        left = max(0.0, left - float(there[full].sum()))
        is_open &= ~full
    counts = np.floor(exact + 1e-9).astype(np.int64)
    total = min(size, int(there[shares > 0].sum()))
    by_remainder = np.argsort(counts - exact, kind="stable")
    may = by_remainder[(counts < there)[by_remainder] & (shares > 0)[by_remainder]]
    counts[may[: total - int(counts.sum())]] += 1
    return counts


def allot(there: Counts, rows: Counts, columns: Counts) -> Counts:
    """As many as possible of `there`, with at most these sums, spread over the cells as evenly as possible.

    Iterative proportional fitting (Deming and Stephan, Annals of Mathematical Statistics 11 (1940) 427-444), limited to
    `there`, gives the proportions; augmenting paths (Ford and Fulkerson 1956) add what rounding leaves open.
    """
    spread = there.astype(np.float64)
    for _ in range(_ROUNDS):
        spread = np.minimum(there, spread * _factor(rows, spread.sum(axis=1))[:, None])
        spread = np.minimum(there, spread * _factor(columns, spread.sum(axis=0)))
    spread *= np.minimum(1, _factor(rows, spread.sum(axis=1)))[:, None]
    spread *= np.minimum(1, _factor(columns, spread.sum(axis=0)))
    given = np.floor(spread * (1 + 1e-12)).astype(np.int64)
    while path := _path(there - given, given, rows - given.sum(axis=1), columns - given.sum(axis=0)):
        _push(path, there, given, rows, columns)
    return given


def _present(shares: Shares, there: Counts) -> Shares:
    found = np.where(there > 0, shares, 0.0)
    return found / found.sum() if found.sum() else found


def _factor(wanted: Counts, found: Shares) -> Shares:
    return np.divide(wanted, found, out=np.zeros(len(found)), where=found > 0)


def _path(more: Counts, given: Counts, rows: Counts, columns: Counts) -> list[int]:
    """The shortest path from a row with a deficit to a column with one: row, column, row, column, …; or empty.

    A step from a row to a column takes more from that cell, a step from a column to a row takes less.
    """
    ways = [[int(row)] for row in np.flatnonzero(rows > 0)]
    seen_rows, seen_columns = {way[0] for way in ways}, set[int]()
    for way in ways:  # grows during the loop
        for column in map(int, np.flatnonzero(more[way[-1]] > 0)):
            if column in seen_columns:
                continue
            seen_columns.add(column)
            if columns[column] > 0:
                return [*way, column]
            others = [int(row) for row in np.flatnonzero(given[:, column] > 0) if int(row) not in seen_rows]
            seen_rows.update(others)
            ways += [[*way, column, row] for row in others]
    return []


def _push(path: list[int], there: Counts, given: Counts, rows: Counts, columns: Counts) -> None:
    """Add as many problems along a path as possible."""
    steps = list(enumerate(pairwise(path)))
    up = [(one, other) for place, (one, other) in steps if place % 2 == 0]
    down = [(other, one) for place, (one, other) in steps if place % 2]
    room = [int(there[cell] - given[cell]) for cell in up] + [int(given[cell]) for cell in down]
    first, last = path[0], path[-1]
    much = min(*room, int(rows[first] - given[first].sum()), int(columns[last] - given[:, last].sum()))
    for cell in up:
        given[cell] += much
    for cell in down:
        given[cell] -= much
