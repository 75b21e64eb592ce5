"""Paired comparison of two sets of predictions for the same benchmark.

Most of the variance of an accuracy comes from the difficulty of the problems, which is the same for both sets. The
difference per problem removes it, so the interval is much narrower than for two separate accuracies.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.statistics.estimates import Estimate, estimate
from promptcot.core.statistics.sample_counts import SourceTally


@dataclass(frozen=True, slots=True)
class Comparison:
    """`difference` is B minus A over the problems graded in both; the means are over the same problems.

    `better`, `worse` and `equal` count problems by the sign of B minus A; `only_a` and `only_b` those graded in only
    one of the sets, which enter no other number.
    """

    source: str
    difference: Estimate
    mean_a: float | None
    mean_b: float | None
    better: int
    worse: int
    equal: int
    only_a: int
    only_b: int

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; unknown values are null."""
        return asdict(self)


def compare(a: SourceTally, b: SourceTally) -> Comparison:
    """The paired difference of two sets of predictions of one source, with a 95 % interval over problems.

    The mean of the problems' differences d_i, each between the means of a problem's graded samples, with standard error
    sqrt(sum (d_i - mean)^2 / (n (n - 1))). E. Miller, Adding Error Bars to Evals, arXiv 2411.00640 (2024), paired
    analysis; the interval is Student's, see `estimate`. Everything is None without a common problem. Raises InputError
    for repeated samples.
    """
    ids_a, means_a = _graded(a)
    ids_b, means_b = _graded(b)
    common, in_a, in_b = np.intersect1d(ids_a, ids_b, assume_unique=True, return_indices=True)
    ours, theirs = means_a[in_a], means_b[in_b]
    difference = theirs - ours
    return Comparison(
        source=a.source,
        difference=estimate(difference),
        mean_a=float(ours.mean()) if len(common) else None,
        mean_b=float(theirs.mean()) if len(common) else None,
        better=int(np.sum(difference > 0)),
        worse=int(np.sum(difference < 0)),
        equal=int(np.sum(difference == 0)),
        only_a=len(ids_a) - len(common),
        only_b=len(ids_b) - len(common),
    )


def _graded(tally: SourceTally) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """The problems with a graded sample, and their means."""
    table = tally.table()
    means = table.problem_means()
    graded = ~np.isnan(means)
    return table.ids[graded], means[graded]
