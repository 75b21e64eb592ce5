"""The difficulty of a set: a histogram of pass rates, and the resolution of a pass rate over n traces."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from promptcot.core.statistics.wilson import wilson_interval


@dataclass(frozen=True, slots=True)
class Span:
    """The `count` of pass rates in [low, high), or [low, high] in the last span, and their `share` of all with its
    95 % Wilson interval.
    """

    low: float
    high: float
    count: int
    share: float
    interval: tuple[float, float] | None

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


def histogram(pass_rates: ArrayLike, spans: int = 10) -> list[Span]:
    """Pass rates, of shape (problems,) and within [0, 1], in spans of equal width; empty without any.

    NaN, an unknown pass rate, is left out. Raises ValueError for anything else outside [0, 1].
    """
    known = np.asarray(pass_rates, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return []
    if known.min() < 0 or known.max() > 1:
        raise ValueError("a pass rate lies between 0 and 1")
    edges = np.arange(spans + 1) / spans
    counts = np.bincount(np.searchsorted(edges[1:-1], known, side="right"), minlength=spans).tolist()
    return [
        Span(float(low), float(high), count, count / len(known), wilson_interval(count, len(known)))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]


def uncertainty(pass_rate: float, n: int) -> tuple[float, float] | None:
    """The 95 % Wilson interval of the probability to solve a problem, given the `pass_rate` of `n` traces.

    None for n = 0.
    """
    return wilson_interval(round(pass_rate * n), n)
