"""pass@k and majority@k, computed from n >= k samples, exactly where possible.

Both are expectations over all subsets of k of a problem's n graded samples. Samples whose grading timed out are neither
right nor wrong, and not among the n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from promptcot.core.statistics.estimates import Estimate

_COUNTED_UP_TO = 512
_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class AtK:
    """Pass@k or majority@k over problems. `left_out` problems have fewer than k graded samples; `reason` says so."""

    k: int
    estimate: Estimate
    left_out: int = 0
    reason: str | None = None


def pass_at_k(n: int, right: int, k: int) -> float | None:
    """The probability that at least one of k samples is right, for a problem with `right` among n; None for k > n.

    1 - C(n - c, k) / C(n, k), which is unbiased, unlike 1 - (1 - c/n)^k. M. Chen et al., Evaluating Large Language
    Models Trained on Code, arXiv 2107.03374 (2021), equation 1. Exact up to the last rounding. Raises ValueError unless
    0 <= right <= n and k >= 1.
    """
    if not 0 <= right <= n or k < 1:
        raise ValueError(f"pass@{k} is undefined for {right} right samples of {n}")
    return None if k > n else float(1 - Fraction(comb(n - right, k), comb(n, k)))


def majority_at_k(
    right: Sequence[int], wrong: Sequence[int], blank: int, k: int, rng: np.random.Generator | None = None
) -> float | None:
    """The expected accuracy of the most frequent answer among k samples of a problem; None for k > n.

    `right` and `wrong` hold the sizes of the classes of equivalent answers that are right and wrong (normally there is
    at most one right class), `blank` the number of samples without an answer: they are drawn like others, but have no
    vote, and k samples without any vote are wrong. A tie counts as right in proportion to its right classes.
    Majority voting is from X. Wang et al., Self-Consistency, arXiv 2203.11171 (2022); maj1@k from A. Lewkowycz et al.,
    arXiv 2206.14858 (2022).

    Every subset is counted, class by class, up to 512 samples a problem; all terms are positive, so only the last few
    digits are rounded. Beyond, `rng` draws 10,000 subsets. Raises ValueError for negative sizes, k < 1, or no `rng`
    where one is needed.
    """
    if k < 1 or blank < 0 or any(size < 0 for size in (*right, *wrong)):
        raise ValueError(f"majority@{k} is undefined for the classes {right} and {wrong} with {blank} blanks")
    n = sum(right) + sum(wrong) + blank
    if k > n:
        return None
    ahead, behind = (tuple(sorted(size for size in sizes if size)) for sizes in (right, wrong))
    if n <= _COUNTED_UP_TO:
        return _counted(ahead, behind, blank, k)
    if rng is None:
        raise ValueError(f"majority@{k} of {n} samples per problem is estimated by drawing: pass `rng`")
    return majority_at_k_sampled(ahead, behind, blank, k, rng)


@lru_cache(maxsize=1 << 14)
def _counted(right: tuple[int, ...], wrong: tuple[int, ...], blank: int, k: int) -> float:
    """Sum over each right class and each number of votes with which it may win, alone or in a tie."""
    ways = 0.0
    for place, size in enumerate(right):
        others = (*right[:place], *right[place + 1 :], *wrong)
        for votes in range(1, min(size, k) + 1):
            tied = _ways(others, blank, votes, k - votes)
            ways += comb(size, votes) * float(np.sum(tied / np.arange(1, len(tied) + 1)))
    return min(1.0, ways / comb(sum(right) + sum(wrong) + blank, k))


def _ways(classes: Sequence[int], blank: int, votes: int, drawn: int) -> NDArray[np.float64]:
    """Ways to draw `drawn` samples from the classes and the blanks, no class more than `votes` times.

    Entry t counts the ways in which exactly t classes reach `votes`. In the table, entry [t, d] does so for the classes
    seen so far and d samples.
    """
    table = np.zeros((drawn // votes + 1, drawn + 1))
    table[0] = [comb(blank, taken) for taken in range(drawn + 1)]
    for size in classes:
        before, table = table, np.zeros_like(table)
        for taken in range(min(size, votes, drawn + 1)):
            table[:, taken:] += comb(size, taken) * before[:, : drawn + 1 - taken]
        if votes <= min(size, drawn):
            table[1:, votes:] += comb(size, votes) * before[:-1, : drawn + 1 - votes]
        elif size < votes and size <= drawn:
            table[:, size:] += before[:, : drawn + 1 - size]
    return np.asarray(table[:, drawn])


def majority_at_k_sampled(
    right: Sequence[int], wrong: Sequence[int], blank: int, k: int, rng: np.random.Generator, draws: int = _DRAWS
) -> float:
    """The same from `draws` random subsets; its standard error is at most 0.5 / sqrt(draws)."""
    drawn = rng.multivariate_hypergeometric([*right, *wrong, blank], k, size=draws)
    votes = drawn[:, :-1]
    most = votes.max(axis=1, keepdims=True, initial=0)
    first = (votes == most) & (most > 0)
    share = first[:, : len(right)].sum(axis=1) / np.maximum(1, first.sum(axis=1))
    return float(share.mean())
