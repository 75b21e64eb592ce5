"""Wilson intervals. Without data the result is None, never 0."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """The score interval of a proportion, within [0, 1]; None for n = 0.

    Unlike the textbook interval it has a sensible width at 0 and at n successes. E. B. Wilson, Probable inference, the
    law of succession, and statistical inference, JASA 22 (1927) 209-212. Raises ValueError unless 0 <= successes <= n
    and 0 < confidence < 1.
    """
    if not 0 <= successes <= n or not 0 < confidence < 1:
        raise ValueError(f"no proportion: {successes} of {n} at confidence {confidence}")
    if n == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half
