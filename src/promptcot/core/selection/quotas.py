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
    """How many problems to take of each cell: `size` of them, or all that are there.

    What one bin or level lacks, the others give in proportion to their shares. Where both kinds of shares cannot be
    had at once, those of `bins` are kept and those of `levels` given up as far as need be.
    """
    rows, columns = quotas(bins, there.sum(axis=1), size), quotas(levels, there.sum(axis=0), size)
    given = allot(there, rows, columns)
    return given + allot(there - given, rows - given.sum(axis=1), np.full_like(columns, there.sum()))


def largest(there: Counts, bins: Shares, levels: Shares) -> int:
    """The most problems that can be taken with just these shares; bins and levels without any problem do not count."""
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
    """Whole numbers in proportion to `shares`, none above `there`, which add up to `size` or to all that have a share.

    What one lacks is given by the others in proportion, and the rest of the division to the largest remainders.
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
    found = np.floor(exact + 1e-9).astype(np.int64)
    total = min(size, int(there[shares > 0].sum()))
    by_remainder = np.argsort(found - exact, kind="stable")
    may = by_remainder[(found < there)[by_remainder] & (shares > 0)[by_remainder]]
    found[may[: total - int(found.sum())]] += 1
    return found


def allot(there: Counts, rows: Counts, columns: Counts) -> Counts:
    """As many as possible of `there` with these sums at most; spread as evenly over the cells as what is there allows.

    Iterative proportional fitting (Deming and Stephan, Annals of Mathematical Statistics 11 (1940) 427-444) within what
    is there gives the proportions, augmenting paths (Ford and Fulkerson 1956) give what rounding and want have left.
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
    """The shortest way from a row that lacks some to a column that does: row, column, row, column, …; or none.

    A step from a row to a column takes more of that cell, one back from a column takes less.
    """
    ways = [[int(row)] for row in np.flatnonzero(rows > 0)]
    seen_rows, seen_columns = {way[0] for way in ways}, set[int]()
    for way in ways:  # grows while it is read
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
    """Take as much along a path as it allows."""
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
