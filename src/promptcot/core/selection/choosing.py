"""Selects problems and their order so that the set is close to the requested shares.

Uses only numbers: pass rates, levels, concepts and random keys. The keys are derived from seed and id, so that neither
the set nor its order depends on the order of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptcot.core.selection.coverage import covering
from promptcot.core.selection.quotas import Counts, Shares, largest, nearest
from promptcot.core.selection.settings import Bin, Order, Settings

Numbers = NDArray[np.int64]

_GOLDEN, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Problems that may be selected, one entry each. `levels` are indices of `names`; `keys` are distinct random keys.

    Problem i has the concepts `concepts[starts[i]:starts[i + 1]]`, which are any distinct numbers.
    """

    pass_rates: NDArray[np.float64]
    levels: Numbers
    names: Sequence[str]
    keys: NDArray[np.uint64]
    starts: Numbers
    concepts: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.pass_rates)


@dataclass(frozen=True, slots=True)
class Share:
    """A requested and a reached share: of `there` available problems `got` were selected; `asked` is None if no share
    was requested.
    """

    name: str
    asked: float | None
    got: int
    there: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The indices of the selected problems, unordered, and the reached shares; `outside` are in no requested bin or
    level.

    `concepts` are the numbers of distinct concepts in the set and among all candidates.
    """

    chosen: Numbers
    outside: NDArray[np.bool_]
    difficulty: list[Share]
    levels: list[Share]
    concepts: tuple[int, int]


def keys_of(ids: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """A random key for each id, whatever its position: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), one to one."""
    mixed = ids + np.uint64((seed + 1) * int(_GOLDEN) % (1 << 64))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def choose(these: Candidates, settings: Settings) -> Choice:
    """Select the problems of a set."""
    bins, bin_shares = _bins(these, settings)
    level_shares = _level_shares(these, settings)
    outside = (bins < 0) | (level_shares[these.levels] <= 0)
    may = np.flatnonzero(~outside)
    may = may[np.argsort(these.keys[may])]
    kinds = len(level_shares)
    cells = bins[may] * kinds + these.levels[may]
    shape = len(bin_shares), kinds
    there = np.bincount(cells, minlength=shape[0] * kinds).reshape(shape)
    if settings.size is not None:
        given = nearest(there, bin_shares, level_shares, settings.size)
    elif settings.bins or settings.levels or "level" in settings.balance:
        given = nearest(there, bin_shares, level_shares, largest(there, bin_shares, level_shares))
    else:
        given = there
    chosen = may[_taken(these, may, cells, given, settings)]
    concepts = _different(these, chosen), _different(these, may)
    return Choice(
        chosen, outside, _difficulty(settings.bins, given, there), _levels(these, settings, given, there), concepts
    )


def in_order(chosen: Numbers, these: Candidates, places: Numbers, order: Order) -> Numbers:
    """The chosen problems in the order of the output; `places` are the positions of the candidates in the input."""
    if order == "as-is":
        return np.asarray(chosen[np.argsort(places[chosen])])
    if order == "mixed":
        return np.asarray(chosen[np.argsort(these.keys[chosen])])
    return np.asarray(chosen[np.lexsort((these.keys[chosen], -these.pass_rates[chosen]))])


def bin_of(pass_rates: NDArray[np.float64], bins: Sequence[Bin]) -> Numbers:
    """The index of the bin of each pass rate, -1 for none."""
    bins_of_rows = np.full(len(pass_rates), -1)
    for number, one in enumerate(bins):
        below = pass_rates <= one.high if one.closed else pass_rates < one.high
        bins_of_rows[(pass_rates >= one.low) & below] = number
    return bins_of_rows


def _bins(these: Candidates, settings: Settings) -> tuple[Numbers, Shares]:
    if not settings.bins:
        return np.zeros(len(these), dtype=np.int64), np.ones(1)
    shares = np.array([one.share for one in settings.bins])
    found = bin_of(these.pass_rates, settings.bins)
    found[(found >= 0) & (shares[found] <= 0)] = -1
    return found, shares


def _level_shares(these: Candidates, settings: Settings) -> Shares:
    """The requested share of each level; without a request, the share among the available problems."""
    there = np.bincount(these.levels, minlength=max(1, len(these.names))).astype(np.float64)
    if settings.levels:
        return np.array([settings.levels.get(name, 0.0) for name in these.names] or [0.0])
    return (there > 0).astype(np.float64) if "level" in settings.balance else np.maximum(there, 1e-9)


def _taken(these: Candidates, may: Numbers, cells: Numbers, given: Counts, settings: Settings) -> Numbers:
    """The positions in `may` of the selected problems."""
    if "concepts" in settings.balance and given.sum() < len(may):
        return covering(*_numbered(these, may), cells, given.ravel().tolist())
    by_cell = np.argsort(cells, kind="stable")
    within = np.arange(len(may)) - np.searchsorted(cells[by_cell], cells[by_cell])
    return np.asarray(by_cell[within < given.ravel()[cells[by_cell]]])


def _numbered(these: Candidates, may: Numbers) -> tuple[Numbers, NDArray[np.int32]]:
    """The concepts of these problems, concatenated and numbered from 0."""
    sizes = np.diff(these.starts)[may]
    starts = np.concatenate(([0], np.cumsum(sizes)))
    places = np.arange(starts[-1]) + np.repeat(these.starts[may] - starts[:-1], sizes)
    return starts, np.unique(these.concepts[places], return_inverse=True)[1].astype(np.int32)


def _different(these: Candidates, chosen: Numbers) -> int:
    """The number of distinct concepts of these problems."""
    is_chosen = np.zeros(len(these), dtype=bool)
    is_chosen[chosen] = True
    return len(np.unique(these.concepts[np.repeat(is_chosen, np.diff(these.starts))]))


def _difficulty(bins: Sequence[Bin], given: Counts, there: Counts) -> list[Share]:
    counted = zip(bins, given.sum(axis=1).tolist(), there.sum(axis=1).tolist(), strict=False)
    return [Share(str(one), one.share, got, those) for one, got, those in counted]


def _levels(these: Candidates, settings: Settings, given: Counts, there: Counts) -> list[Share]:
    """The requested levels, or without a request the available ones."""
    counted = zip(these.names, given.sum(axis=0).tolist(), there.sum(axis=0).tolist(), strict=False)
    found = {name: (got, those) for name, got, those in counted}
    if settings.levels:
        return [Share(name, share, *found.get(name, (0, 0))) for name, share in settings.levels.items()]
    present = {name: counts for name, counts in sorted(found.items()) if counts[1]}
    asked = 1 / len(present) if present and "level" in settings.balance else None
    return [Share(name, asked, *counts) for name, counts in present.items()]
