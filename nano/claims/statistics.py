"""Means over seeds and their differences, with 95 % intervals from Student's t, and whether a comparison holds.

The unit is the seed: an interval says how far the mean over all seeds may be, with this generator's problems and this
benchmark. `core.statistics` of the package computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nano.claims.claim import Comparison, Result
from promptcot.core.statistics import Estimate, estimate
from promptcot.core.statistics.differences import Difference, of_means

Outcome = Literal["not measured", "holds", "fails", "below target"]

LEAST_SEEDS = 3


def is_count(value: str) -> bool:
    """Whether a value is a number of problems; all others are shares."""
    return value.startswith("problems")


def of_variant(results: Sequence[Result], variant: str, value: str) -> list[float]:
    """What was measured of a variant, seed by seed; empty where nothing was."""
    found = sorted((one for one in results if one.variant == variant and value in one.values), key=lambda one: one.seed)
    return [one.values[value] for one in found]


def mean(results: Sequence[Result], variant: str, value: str) -> Estimate:
    """The mean over seeds; the interval of a share stays within 0 and 1."""
    return estimate(of_variant(results, variant, value), bounds=None if is_count(value) else (0, 1))


def difference(results: Sequence[Result], comparison: Comparison, value: str) -> Difference:
    """How much more `better` has than `worse`; seeds are not paired, so the interval is Welch's."""
    worse, better = (of_variant(results, variant, value) for variant in (comparison.worse, comparison.better))
    return of_means(worse, better)


def outcome(found: Difference, target: float) -> Outcome:
    """A comparison holds where its whole interval is above 0; the difference itself, not the interval, is compared
    with the target.

    Where no seed differs from another there is no interval, and the difference decides alone.
    """
    if found.difference is None or min(found.n_a, found.n_b) < LEAST_SEEDS:
        return "not measured"
    low = found.difference if found.interval is None else found.interval[0]
    if low <= 0:
        return "fails"
    return "holds" if found.difference >= target else "below target"
