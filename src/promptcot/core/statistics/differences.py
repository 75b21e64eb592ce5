"""Differences of means and shares between two sets of different problems, with confidence intervals.

A positive difference means more in B than in A. Sets with the same problems are compared per problem (`comparison`),
which is much more precise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptcot.core.statistics.estimates import student_t_quantile
from promptcot.core.statistics.wilson import wilson_interval


@dataclass(frozen=True, slots=True)
class Difference:
    """The values `a` and `b` over `n_a` and `n_b` problems, and b - a with its 95 % interval (None if unknown)."""

    a: float | None
    b: float | None
    n_a: int
    n_b: int
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


def of_means(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Difference:
    """The difference of the means of two samples, each of shape (problems,); NaN values are left out.

    Standard error sqrt(s_a^2 / n_a + s_b^2 / n_b), with Student's t and the degrees of freedom of B. L. Welch,
    Biometrika 34 (1947) 28-35. No interval if a sample has fewer than two values, or neither varies.
    """
    one, other = _known(a), _known(b)
    means = _mean(one), _mean(other)
    if means[0] is None or means[1] is None:
        return Difference(*means, len(one), len(other), None, None)
    gap, interval = means[1] - means[0], None
    if len(one) > 1 and len(other) > 1:
        parts = [float(sample.var(ddof=1)) / len(sample) for sample in (one, other)]
        if sum(parts) > 0:
            by_part = zip(parts, (one, other), strict=True)
            degrees = sum(parts) ** 2 / sum(part**2 / (len(sample) - 1) for part, sample in by_part)
            half = student_t_quantile((1 + confidence) / 2, max(1, int(degrees))) * sqrt(sum(parts))
            interval = gap - half, gap + half
    return Difference(*means, len(one), len(other), gap, interval)


def of_shares(a: int, n_a: int, b: int, n_b: int, confidence: float = 0.95) -> Difference:
    """The difference of two shares, `a` of `n_a` and `b` of `n_b`, with Newcombe's interval.

    It combines the Wilson intervals of both, and stays within [-1, 1] (R. G. Newcombe, Statistics in Medicine 17
    (1998) 873-890, method 10). Raises ValueError unless both are shares.
    """
    one, other = wilson_interval(a, n_a, confidence), wilson_interval(b, n_b, confidence)
    shares = a / n_a if n_a else None, b / n_b if n_b else None
    if one is None or other is None or shares[0] is None or shares[1] is None:
        return Difference(*shares, n_a, n_b, None, None)
    gap = shares[1] - shares[0]
    down = sqrt((shares[1] - other[0]) ** 2 + (one[1] - shares[0]) ** 2)
    up = sqrt((other[1] - shares[1]) ** 2 + (shares[0] - one[0]) ** 2)
    return Difference(*shares, n_a, n_b, gap, (gap - down, gap + up))


def bootstrapped(
    a: NDArray[Any],
    b: NDArray[Any],
    statistic: Callable[[NDArray[Any]], float],
    generator: np.random.Generator,
    draws: int = 1000,
    confidence: float = 0.95,
) -> Difference:
    """The difference of any statistic of two samples, drawn with replacement along the first axis, in the percentile
    interval of B. Efron (Annals of Statistics 7 (1979) 1-26). No interval if a sample has fewer than two entries.

    Not for counts of distinct items (coverage, Vendi score): a bootstrap sample repeats entries, so it has fewer.
    """
    values = statistic(a) if len(a) else None, statistic(b) if len(b) else None
    if values[0] is None or values[1] is None:
        return Difference(*values, len(a), len(b), None, None)
    gap = values[1] - values[0]
    if min(len(a), len(b)) < 2:
        return Difference(*values, len(a), len(b), gap, None)
    drawn = [statistic(_again(b, generator)) - statistic(_again(a, generator)) for _ in range(draws)]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Difference(*values, len(a), len(b), gap, (float(low), float(high)))


def _again(sample: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
    return np.asarray(sample[generator.integers(len(sample), size=len(sample))])


def _known(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(array[~np.isnan(array)])


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None
