"""Count scores of candidates: how strongly a concept goes together with those already chosen.

Decides which candidates have a count score that matters, without looking at the whole neighbourhood of a frequent
concept. Similarity and randomness are left to `promptcot.core.sampling`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptcot.core.concepts import ConceptTable

Float64 = NDArray[np.float64]
Int = NDArray[np.integer[Any]]
Damping = Literal["raw", "log1p"]

_FIRST_DEPTH, _DEEPER = 8, 8
_CELLS = 1 << 19


class Contenders(NamedTuple):
    """The candidates of n draws that are worth a look, as m pairs of draw and concept, ascending.

    Attributes:
        owner: (m,) the draw.
        concept: (m,) the candidate; never one of those already chosen.
        score: (m,) its count score; greater than `rest[owner]`.
        rest: (n,) what no other candidate's score exceeds. Where it is 0, all others score exactly 0.
    """

    owner: Int
    concept: Int
    score: Float64
    rest: Float64


class Cooccurrence:
    """Count scores over a table: the number of seed rows that contain both, or its log1p, summed over the chosen."""

    def __init__(self, table: ConceptTable, damping: Damping) -> None:
        self._concepts = len(table)
        self._start, self._degree = table.indptr[:-1], np.diff(table.indptr)
        self._indices, self._counts = table.indices, table.counts
        row = np.repeat(np.arange(len(table), dtype=np.int64), self._degree)
        self._keys = row * len(table) + table.indices
        self._by_count = _by_descending_count(row, table.counts)
        self._damping = damping

    def scores(self, chosen: Int, concept: Int) -> Float64:
        """Return (n,) the count score of `concept[i]` beside the concepts `chosen[i]`; `chosen` is (n, k)."""
        total = np.zeros(len(concept))
        for column in range(chosen.shape[1]):
            total += self._score(chosen[:, column], concept)
        return total

    def contenders(self, chosen: Int, margin: float) -> Contenders:
        """Return all candidates that score within `margin` of the best one, for n draws `chosen` (n, k).

        Where the best score itself is at most `margin`, these are all candidates that score at all. The rows are read
        from the highest count down, and only as deep as it takes to know that nothing better lies below.
        """
        pending, depth = np.arange(len(chosen)), _FIRST_DEPTH
        parts: list[Contenders] = []
        rest = np.zeros(len(chosen))
        while pending.size:
            deeper = []
            for draws in np.array_split(pending, 1 + pending.size * chosen.shape[1] * depth // _CELLS):
                top = self._top(chosen[draws], depth)
                settled, top = _prune(top, margin)
                rest[draws] = top.rest
                parts.append(top._replace(owner=draws[top.owner]))
                deeper.append(draws[~settled])
            pending, depth = np.concatenate(deeper), depth * _DEEPER
        owner, concept, score, _ = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((concept, owner))
        return Contenders(owner[order], concept[order], score[order], rest)

    def _top(self, chosen: Int, depth: int) -> Contenders:
        """Return the union of the first `depth` entries of the chosen concepts' rows, by descending count."""
        degree = self._degree[chosen]
        place = self._start[chosen][..., None] + np.arange(depth)
        draw, column, level = np.nonzero(np.arange(depth) < degree[..., None])
        entries = self._by_count[place[draw, column, level]]
        pairs = draw * self._concepts + self._indices[entries]
        pairs.sort()
        pairs = pairs[np.r_[True, pairs[1:] != pairs[:-1]][: len(pairs)]]
        owner, concept = np.divmod(pairs, self._concepts)
        free = ~(chosen[owner] == concept[:, None]).any(axis=1)
        owner, concept = owner[free], concept[free]
        unread = degree > depth
        below = np.zeros(chosen.shape)
        below[unread] = self._damp(self._counts[self._by_count[self._start[chosen[unread]] + depth]])
        return Contenders(owner, concept, self.scores(chosen[owner], concept), below.sum(axis=1))

    def _score(self, first: Int, second: Int) -> Float64:
        keys = first * np.int64(self._concepts) + second
        place = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        return np.where(self._keys[place] == keys, self._damp(self._counts[place]), 0.0)

    def _damp(self, counts: NDArray[np.int32]) -> Float64:
        return np.log1p(counts, dtype=np.float64) if self._damping == "log1p" else counts.astype(np.float64)


def _prune(top: Contenders, margin: float) -> tuple[NDArray[np.bool_], Contenders]:
    """Return which draws were read deep enough, and their contenders, without the hopeless."""
    best, hopeless = np.zeros(len(top.rest)), np.zeros(len(top.rest))
    np.maximum.at(best, top.owner, top.score)
    cut = np.maximum(best - margin, 0.0)
    settled = top.rest <= cut
    keep = top.score > cut[top.owner]
    np.maximum.at(hopeless, top.owner[~keep], top.score[~keep])
    keep &= settled[top.owner]
    rest = np.maximum(top.rest, hopeless)
    return settled, Contenders(top.owner[keep], top.concept[keep], top.score[keep], rest)


def _by_descending_count(row: Int, counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the entries of the sparse table row by row, highest count first; equal counts keep their order."""
    highest = np.int64(counts.max(initial=0))
    return np.argsort(row * (highest + 1) + (highest - counts), kind="stable").astype(np.int32)
