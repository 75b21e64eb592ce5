"""How many more rows a target needs, given the outcomes so far: the number to start, and the expected total.

Acceptance of a row is modelled as an independent draw with an unknown probability. Before any row is decided, a
probability of 15 % is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, sqrt

import numpy as np

_ACCEPTED, _DECIDED = 1.5, 10.0
_KNOWN_FROM = 20
_SURE = 1.64
_DRAWS, _LEAST_SHARE = 4000, 1e-6


@dataclass(frozen=True, slots=True)
class Interval:
    """A forecast: the median, and bounds that hold the outcome with a probability of about 90 %."""

    low: float
    point: float
    high: float

    def times(self, factor: float) -> Interval:
        """The interval times a factor, such as the calls of a row."""
        return Interval(self.low * factor, self.point * factor, self.high * factor)

    def plus(self, more: float) -> Interval:
        """The interval plus what there is already."""
        return Interval(self.low + more, self.point + more, self.high + more)

    def clipped(self, least: float, most: float = float("inf")) -> Interval:
        """The interval limited to possible values."""
        return Interval(*(min(max(value, least), most) for value in (self.low, self.point, self.high)))


def rows_worth_starting(missing: int, accepted: int, decided: int) -> int:
    """How many rows to have under way to get the `missing` ones, after `accepted` of `decided` rows were accepted.

    Of n rows, n p ± sqrt(n p) are accepted, so n = (m + z sqrt(m)) / p rows contain enough with a probability of 95 %
    for z = 1.64. A started row cannot be cancelled, but more can be started later, so p is the estimate plus one
    standard deviation. Until 20 rows are decided, p is the mean of the prior. It may exceed 1 if a row can become
    several.
    """
    share = _ACCEPTED / _DECIDED
    if decided >= _KNOWN_FROM:
        share, n = (accepted + _ACCEPTED) / (decided + _DECIDED), decided + _DECIDED
        share += sqrt(share * abs(1 - share) / (n + 1))
    return ceil((missing + _SURE * sqrt(missing)) / share)


@lru_cache(maxsize=4)
def rows_to_target(missing: int, accepted: int, decided: int) -> Interval:
    """How many more rows are needed until `missing` more are accepted.

    The number of rejected rows before the m-th accepted one has a negative binomial distribution, and the posterior of
    the acceptance rate is a Beta distribution (with Jeffreys' prior). The quantiles are those of 4,000 draws with a
    fixed seed. If rows became several, so that more were accepted than decided, accepted rows are modelled as a Poisson
    process instead.
    """
    if missing <= 0:
        return Interval(0.0, 0.0, 0.0)
    rng = np.random.default_rng(0)
    if accepted > decided:
        rows = rng.gamma(missing, size=_DRAWS) * decided / rng.gamma(accepted + 0.5, size=_DRAWS)
    else:
        share = np.maximum(rng.beta(accepted + 0.5, decided - accepted + 0.5, _DRAWS), _LEAST_SHARE)
        rows = missing + rng.poisson(rng.gamma(missing, size=_DRAWS) * (1 - share) / share)
    low, point, high = np.quantile(rows, (0.05, 0.5, 0.95))
    return Interval(float(low), float(point), float(high))
