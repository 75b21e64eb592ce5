"""Estimates how many combinations the concepts can give, from a trial of draws with the recipe's distribution.

There is a hard bound, the number of sets of that size. But draws follow co-occurrence, and a stream without repetition
ends when hardly anything new comes (`core.combinations`), which may be long before. From a trial of n draws, of which
f1 sets came once and f2 twice:

- the chance that the next draw is new is about f1 / n (I. J. Good, The population frequencies of species and the
  estimation of population parameters, Biometrika 40 (1953) 237-264). It only decreases later, so each further
  combination takes at least about n / f1 draws;
- at least about `different + f1 (f1 - 1) / (2 (f2 + 1))` sets can come (A. Chao, Scandinavian Journal of Statistics
  11 (1984) 265-270, in the bias-corrected form). A lower bound: a longer trial may show more, and with no repetition
  at all it is about n² / 2.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from promptcot.core.sampling.sampler import BLOCK, Sampler


@dataclass(frozen=True, slots=True)
class Supply:
    """The result of a trial: of `draws`, the number of `different` sets, and of those that came `once` and `twice`.

    `possible` is the number of possible sets.
    """

    possible: int
    draws: int
    different: int
    once: int
    twice: int

    @property
    def new(self) -> float:
        """The estimated probability that the next draw is new; 0 when all were drawn."""
        return 0.0 if self.different == self.possible else self.once / self.draws

    @property
    def reach(self) -> int:
        """The number of sets that can come: a lower bound and an estimate."""
        unseen = self.once * (self.once - 1) / (2 * (self.twice + 1))
        return min(self.possible, self.different + int(unseen))

    def draws_for(self, combinations: int) -> float:
        """The draws needed for this many different combinations: a lower bound and an estimate; infinite if no new ones
        come.
        """
        further = combinations - self.different
        if further <= 0:
            return combinations
        return self.draws + further / self.new if self.new else math.inf


def try_out(sampler: Sampler, seed: int, draws: int) -> Supply:
    """Draw at least this many combinations (whole blocks) and count them."""
    counts: Counter[tuple[int, ...]] = Counter()
    for block in range(math.ceil(draws / BLOCK)):
        for row in sampler.block(seed, block).tolist():
            counts[tuple(sorted(concept for concept in row if concept >= 0))] += 1
    times = Counter(counts.values())
    possible = sum(math.comb(len(sampler.table), size) for size in set(sampler.sizes))
    return Supply(possible, counts.total(), len(counts), times[1], times[2])
