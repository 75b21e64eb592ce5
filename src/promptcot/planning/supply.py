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
    """What a trial showed: of `draws`, how many sets were `different`, and how many came `once` and `twice`.

    `possible` is how many sets there are.
    """

    possible: int
    draws: int
    different: int
    once: int
    twice: int

    @property
    def new(self) -> float:
        """The chance that the next draw is new, estimated; 0 when all came."""
        return 0.0 if self.different == self.possible else self.once / self.draws

    @property
    def reach(self) -> int:
        """How many can come, at least and about."""
        unseen = self.once * (self.once - 1) / (2 * (self.twice + 1))
        return min(self.possible, self.different + int(unseen))

    def draws_for(self, combinations: int) -> float:
        """The draws that so many different combinations take, at least and about; infinite if none comes any more."""
        further = combinations - self.different
        if further <= 0:
            return combinations
        return self.draws + further / self.new if self.new else math.inf


def try_out(sampler: Sampler, seed: int, draws: int) -> Supply:
    """Draw at least so many combinations (whole blocks) and count them."""
    counts: Counter[tuple[int, ...]] = Counter()
    for block in range(math.ceil(draws / BLOCK)):
        for row in sampler.block(seed, block).tolist():
            counts[tuple(sorted(concept for concept in row if concept >= 0))] += 1
    times = Counter(counts.values())
    possible = sum(math.comb(len(sampler.table), size) for size in set(sampler.sizes))
    return Supply(possible, counts.total(), len(counts), times[1], times[2])
