"""One step of many draws at once: the next concept, by an exponential race with thinning.

Every candidate j has a Poisson process ("rings") of rate w_j = exp((score_j + cos_j) / T). The first ring of all is j's
with probability w_j / Σ w, which is the distribution to draw from, and Σ w need not be known. A process can be obtained
by thinning a faster one: use a larger known rate r, and accept each ring with probability w_j / r. There are three
groups of candidates:

- Contenders, a few with high count scores: their weights are computed, and their first rings are drawn.
- Neighbours, the entries of the chosen concepts' rows: all at rate exp((rest + 1) / T), because cosines are at most 1
  and their scores at most `rest`. A concept in several rows rings more often, and is accepted less often.
- Strangers, all concepts: at rate exp(1 / T). A ring is accepted only for concepts with score 0.

Only rings before the first ring of a contender are checked, one after the other until one is accepted, and most are
rejected after reading a part of the embedding. Therefore the work of a step does not grow with the number of concepts.

If very many rings are rejected (at a very low T), the race so far is discarded and the concept is drawn by a pass over
all of them: a Poisson process is memoryless, so this is exact as well.

Decides how a step is drawn; `sampler` defines the distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.sampling.cooccurrence import Contenders, Cooccurrence
from promptcot.core.sampling.similarity import Similarity

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int = NDArray[np.integer[Any]]

_FEW = 64
"""The number of rings of neighbours, per ring of the best contender at cosine 0, that cost less to check than one more
contender."""

_SHARE = 1 / 4
"""The rings that cost less to check than one more contender, as a share of the number of rings of strangers."""

_RINGS = 1 << 12
"""The number of rings checked in one round, over all draws."""

_PASS = 1 << 12
"""The number of concepts at a time, in a pass over all of them."""


@dataclass(frozen=True, eq=False)
class Law:
    """The parts of the concepts' weights. A step gives up after `patience` rejected rings."""

    cooccurrence: Cooccurrence
    similarity: Similarity
    concepts: int
    temperature: float
    patience: int

    def contenders(self, chosen: Int) -> Contenders:
        """Return the candidates whose weights are to be computed, for n draws `chosen` (n, k)."""
        entries = np.log(np.maximum(self.cooccurrence.neighbours(chosen), 1))
        margin = self.similarity.bound + self.temperature * (entries - math.log(_FEW))
        floor = self.temperature * (math.log(self.concepts * _SHARE) - entries)
        return self.cooccurrence.contenders(chosen, np.maximum(margin, self.temperature), np.maximum(floor, 0))

    def rates(self, entries: Int, rest: Float64) -> tuple[float, Float64]:
        """Return the log rate of the strangers, and (n,) the log rates of the neighbours of n draws."""
        bound = self.similarity.bound / self.temperature
        with np.errstate(divide="ignore"):
            neighbours = np.log(entries * (rest > 0)) + rest / self.temperature + bound
        return math.log(self.concepts) + bound, neighbours


class Race:
    """The next concept of n draws.

    Args:
        law: the weights.
        chosen: (n, k) the concepts that each draw has already.
        total: (n, dim) the sum of their embeddings; its direction is that of their mean.
    """

    def __init__(self, law: Law, chosen: Int, total: NDArray[np.float32], rng: np.random.Generator) -> None:
        self._law, self._chosen, self._rng = law, chosen, rng
        self._directions = law.similarity.directions(total)
        self._entries = law.cooccurrence.neighbours(chosen)
        self._contenders = law.contenders(chosen)
        self._listed = self._contenders.owner * np.int64(law.concepts) + self._contenders.concept

    def run(self) -> Int:
        """Return (n,) the next concept of each draw."""
        winner, log_time = self._ring_contenders()
        strangers, neighbours = self._law.rates(self._entries, self._contenders.rest)
        log_rate = np.logaddexp(strangers, neighbours)
        self._share = np.exp(neighbours - log_rate)
        # Limited to avoid overflow; far beyond patience, the number of rings does not matter.
        log_rings = np.minimum(log_rate + log_time, math.log(self._law.patience) + 10)
        self._ring_others(winner, self._rng.poisson(np.exp(log_rings)))
        return winner

    def _ring_contenders(self) -> tuple[Int, Float64]:
        """Return the first contender to ring (n,), -1 without any, and the logarithm of the time (n,)."""
        law, (owner, concept, score, _) = self._law, self._contenders
        weight = (score + law.similarity.cosines(concept, self._directions, owner)) / law.temperature
        with np.errstate(divide="ignore"):
            rung = np.log(self._rng.exponential(size=len(owner))) - weight
        order = np.lexsort((rung, owner))
        owner, first = np.unique(owner[order], return_index=True)
        winner, log_time = np.full(len(self._chosen), -1, np.int64), np.full(len(self._chosen), np.inf)
        winner[owner], log_time[owner] = concept[order[first]], rung[order[first]]
        return winner, log_time

    def _ring_others(self, winner: Int, rings: NDArray[np.int64]) -> None:
        """Let neighbours and strangers ring (n,) times before the contender; the first accepted one sets `winner`."""
        pending, spent = np.arange(len(winner)), 0
        while pending.size and spent < self._law.patience:
            quota = min(max(_RINGS // pending.size, 1), self._law.patience - spent)
            owner, concept = self._first_that_counts(np.repeat(pending, np.minimum(rings[pending], quota)))
            winner[owner] = concept
            rings[pending] -= quota
            rings[owner] = -1
            # A draw with exactly no rings left stays pending until the next round: whether a draw gives up must not
            # depend on its outcome, or the result would be biased.
            pending, spent = pending[rings[pending] >= 0], spent + quota
        for draw in pending:
            winner[draw] = self._among_all(int(draw))

    def _first_that_counts(self, owner: Int) -> tuple[Int, Int]:
        """Ring once for each of `owner`, ascending; return the draws with an accepted ring, and its concept."""
        law, rng = self._law, self._rng
        near = rng.random(len(owner)) < self._share[owner]
        concept = rng.integers(law.concepts, size=len(owner))
        whose = owner[near]
        concept[near] = law.cooccurrence.neighbour(self._chosen[whose], rng.integers(self._entries[whose]))
        # A cosine c reaches this threshold with probability exp((c - bound) / T).
        threshold = law.similarity.bound - law.temperature * rng.exponential(size=len(owner))
        place = law.similarity.reaching(concept, self._directions, owner, threshold)
        place = place[self._fits(owner[place], concept[place], near[place])]
        owner, first = np.unique(owner[place], return_index=True)
        return owner, concept[place[first]]

    def _fits(self, owner: Int, concept: Int, near: Bool) -> Bool:
        """Return (m,) whether rings are accepted, as far as the scores decide it."""
        law, chosen, rest = self._law, self._chosen[owner], self._contenders.rest[owner]
        score, rows = law.cooccurrence.scores(chosen, concept)
        chance = (score - rest) / law.temperature - np.log(np.maximum(rows, 1))
        counts = (chance > -self._rng.exponential(size=len(owner))) & ~self._has_rung(owner, concept)
        fits: Bool = np.where(near, counts, rows == 0) & (chosen != concept[:, None]).all(axis=1)
        return fits

    def _has_rung(self, owner: Int, concept: Int) -> Bool:
        """Return (m,) whether these are contenders; by concept, since scores at the limit may be rounded either way."""
        pair = owner * np.int64(self._law.concepts) + concept
        has: Bool = np.searchsorted(self._listed, pair, "left") < np.searchsorted(self._listed, pair, "right")
        return has

    def _among_all(self, draw: int) -> int:
        """Draw the next concept of one draw by a pass over all concepts, each with its weight."""
        law, earliest, winner = self._law, math.inf, -1
        for start in range(0, law.concepts, _PASS):
            concept = np.arange(start, min(start + _PASS, law.concepts))
            owner = np.full(len(concept), draw)
            score, _ = law.cooccurrence.scores(self._chosen[owner], concept)
            weight = (score + law.similarity.cosines(concept, self._directions, owner)) / law.temperature
            weight[np.isin(concept, self._chosen[draw])] = -np.inf
            rung = -weight - self._rng.gumbel(size=len(concept))
            place = int(np.argmin(rung))
            if rung[place] < earliest:
                earliest, winner = float(rung[place]), int(concept[place])
        return winner
