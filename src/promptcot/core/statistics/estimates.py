"""Means with their uncertainty: over runs, as papers report it, and over problems.

The two answer different questions. The standard deviation over runs says how much the accuracy varies when the same
problems are sampled again. The standard error over problems says how far it may be from the accuracy on all problems of
the kind; it does not shrink when more samples are drawn from few problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, cos, pi, sin, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptcot.core.statistics.wilson import wilson_interval

_SERIES_UP_TO = 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` problems, with its standard error and interval; None if there are too few problems."""

    mean: float | None
    standard_error: float | None
    interval: tuple[float, float] | None
    n: int


@dataclass(frozen=True, slots=True)
class Runs:
    """The accuracy of each run: a run is all samples with the same index. `graded` is the n of each accuracy."""

    runs: tuple[int, ...]
    accuracies: tuple[float | None, ...]
    graded: tuple[int, ...]
    mean: float | None
    sd: float | None


def estimate(values: ArrayLike, *, bounds: tuple[float, float] | None = None, confidence: float = 0.95) -> Estimate:
    """The mean of one value per problem, clustered by problem; `values` has shape (problems,), NaN entries left out.

    Samples of one problem are not independent, so the problem is the unit: its samples enter as their mean s_i, and the
    standard error is sqrt(sum (s_i - mean)^2 / (n (n - 1))). E. Miller, Adding Error Bars to Evals, arXiv 2411.00640
    (2024), clustered and resampled standard errors; with equally many samples a problem the two agree up to the factor
    n / (n - 1). The interval uses Student's t with n - 1 degrees of freedom instead of the normal distribution: a
    benchmark may have 15 or 30 problems, and there 1.96 would be 9 or 4 % too narrow; for large n they are the same.

    `bounds` are limits of the values; the interval is cut to them. If every value is at the same bound, the formula
    would give an interval of width 0, so the interval is Wilson's, with one trial per problem.
    Standard error and interval are None for fewer than two problems, the mean for none.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    n = len(known)
    if n < 2:
        return Estimate(float(known[0]) if n else None, None, None, n)
    mean, error = float(known.mean()), float(known.std(ddof=1)) / sqrt(n)
    return Estimate(mean, error, _interval(mean, error, n, bounds, confidence), n)


def _interval(
    mean: float, error: float, n: int, bounds: tuple[float, float] | None, confidence: float
) -> tuple[float, float]:
    half = student_t_quantile((1 + confidence) / 2, n - 1) * error
    if bounds is None:
        return mean - half, mean + half
    low, high = bounds
    if mean in bounds and (wilson := wilson_interval(n if mean == high else 0, n, confidence)):
        return low + (high - low) * wilson[0], low + (high - low) * wilson[1]
    return max(low, mean - half), min(high, mean + half)


def run_accuracies(run: NDArray[np.int32], correct: NDArray[np.int8]) -> Runs:
    """Mean of the accuracies of the runs, and their sample standard deviation (ddof = 1); both arrays (samples,).

    In `correct` 1 is right, 0 wrong, and -1 a timeout of the grader, which is not counted. This is the "mean ± SD
    over 8 runs" of X. Zhao et al., PromptCoT, arXiv 2503.02324 (2025). The mean is None without any graded run, the
    standard deviation for fewer than two.
    """
    runs, place = np.unique(run, return_inverse=True)
    graded = np.bincount(place[correct >= 0], minlength=len(runs))
    right = np.bincount(place[correct == 1], minlength=len(runs))
    accuracies = [int(r) / int(n) if n else None for r, n in zip(right, graded, strict=True)]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return Runs(
        runs=tuple(map(int, runs)),
        accuracies=tuple(accuracies),
        graded=tuple(map(int, graded)),
        mean=float(np.mean(known)) if known else None,
        sd=float(np.std(known, ddof=1)) if len(known) > 1 else None,
    )


def student_t_quantile(p: float, df: int) -> float:
    """The t with P(T <= t) = p, for 0.5 <= p < 1 and df >= 1 degrees of freedom.

    Up to 100 degrees by halving an interval on the finite series for P(|T| <= t), beyond them by the expansion in 1/df
    around the normal quantile. M. Abramowitz and I. Stegun, Handbook of Mathematical Functions (1964), 26.7.3 to
    26.7.5. Raises ValueError outside these ranges.
    """
    if not 0.5 <= p < 1 or df < 1:
        raise ValueError(f"no quantile of Student's t for p = {p} and {df} degrees of freedom")
    if df > _SERIES_UP_TO:
        return _expansion(NormalDist().inv_cdf(p), df)
    low, high = 0.0, 1.0
    while _within(high, df) < 2 * p - 1:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, df) < 2 * p - 1 else (low, middle)
    return (low + high) / 2


def _within(t: float, df: int) -> float:
    """P(|T| <= t), by the series in powers of the cosine."""
    angle = atan(t / sqrt(df))
    odd = df % 2
    if df == 1:
        return 2 * angle / pi
    term = total = cos(angle) if odd else 1.0
    for power in range(2 + odd, df - 1, 2):
        term *= cos(angle) ** 2 * (power - 1) / power
        total += term
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def _expansion(x: float, df: int) -> float:
    first = (x**3 + x) / 4
    second = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    third = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    return x + first / df + second / df**2 + third / df**3
