"""Co-occurrence scores of candidates with the concepts chosen so far.

Decides which candidates have a relevant count score, without reading all neighbours of a frequent concept. `race` adds
the similarity and defines the draws.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptcot.core.sampling.concepts import ConceptTable

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int = NDArray[np.integer[Any]]
Damping = Literal["raw", "log1p"]

_DEPTH, _DEEPER = 16, 8
"""The number of entries of each row that are read first, and the factor by which it grows if they do not suffice."""

_CELLS = 1 << 19
"""The number of entries in memory at a time."""


class Contenders(NamedTuple):
    """The best candidates of n draws, as m pairs of draw and concept, in ascending order.

    Attributes:
        owner: (m,) the draw.
        concept: (m,) the candidate; never one of those already chosen.
        score: (m,) its count score; greater than `rest[owner]`.
        rest: (n,) an upper bound of the other candidates' scores. If it is 0, all others score exactly 0.
    """

    owner: Int
    concept: Int
    score: Float64
    rest: Float64


class _Top(NamedTuple):
    """Bounds from the first entries of the rows: m pairs of draw and concept with the least and greatest possible score
    (m,), and for each draw the greatest possible score of concepts not met so far (n,)."""

    owner: Int
    concept: Int
    least: Float64
    most: Float64
    rest: Float64


class Cooccurrence:
    """Count scores over a table: the number of seed rows with both, or its log1p, summed over the chosen concepts."""

    def __init__(self, table: ConceptTable, damping: Damping) -> None:
        self._concepts, self._damping = len(table), damping
        self._start, self._degree = table.indptr[:-1], np.diff(table.indptr)
        self._indices, self._counts = table.indices, table.counts
        row = np.repeat(np.arange(len(table), dtype=np.int64), self._degree)
        self._by_count = _by_descending_count(row, table.counts)
        row *= len(table)
        row += table.indices
        self._keys = np.append(row, np.iinfo(np.int64).max)  # a sentinel that equals no key

    def scores(self, chosen: Int, concept: Int) -> tuple[Float64, Int]:
        """Return (n,) the score of `concept[i]` with the concepts `chosen[i]`, and (n,) with how many of these it
        co-occurs; `chosen` is (n, k)."""
        score, rows = np.zeros(len(concept)), np.zeros(len(concept), np.int64)
        for column in range(chosen.shape[1]):
            keys = chosen[:, column] * np.int64(self._concepts) + concept
            order = np.argsort(keys)  # searching in sorted order is several times faster than in random order
            place = np.empty(len(keys), np.int64)
            place[order] = np.searchsorted(self._keys, keys[order])
            hits = np.flatnonzero(self._keys[place] == keys)
            score[hits] += self._damp(self._counts[place[hits]])
            rows[hits] += 1
        return score, rows

    def neighbours(self, chosen: Int) -> Int:
        """Return (n,) the total number of entries in the rows of the chosen concepts (n, k)."""
        entries: Int = self._degree[chosen].sum(axis=1, dtype=np.int64)
        return entries

    def neighbour(self, chosen: Int, number: Int) -> Int:
        """Return (n,) the concepts at entry `number[i]` of the concatenated rows of `chosen[i]`."""
        ends = np.cumsum(self._degree[chosen], axis=1)
        draw, column = np.arange(len(chosen)), (number[:, None] >= ends).sum(axis=1)
        row = chosen[draw, column]
        concepts: Int = self._indices[self._start[row] + self._degree[row] + number - ends[draw, column]]
        return concepts

    def contenders(self, chosen: Int, margin: Float64, floor: Float64) -> Contenders:
        """Return the candidates that score more than `floor` and within `margin` of the best, for n draws.

        The rows of the chosen concepts (n, k) are read from the highest count down, and only as far as needed to
        know that no such candidate follows.
        """
        pending, depth = np.arange(len(chosen)), _DEPTH
        parts: list[Contenders] = []
        rest = np.zeros(len(chosen))
        while pending.size:
            deeper = []
            for draws in np.array_split(pending, 1 + pending.size * chosen.shape[1] * depth // _CELLS):
                settled, found = self._settle(
                    chosen[draws], self._top(chosen[draws], depth), margin[draws], floor[draws]
                )
                rest[draws] = found.rest
                parts.append(found._replace(owner=draws[found.owner]))
                deeper.append(draws[~settled])
            pending, depth = np.concatenate(deeper), depth * _DEEPER
        owner, concept, score = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:3])
        order = np.lexsort((concept, owner))
        return Contenders(owner[order], concept[order], score[order], rest)

    def _settle(self, chosen: Int, top: _Top, margin: Float64, floor: Float64) -> tuple[Bool, Contenders]:
        """Return for which draws enough entries were read, and their contenders."""

        def cut(score: Float64) -> Float64:
            best = np.zeros(len(chosen))
            np.maximum.at(best, top.owner, score)
            return np.maximum(best - margin, floor)

        hopeful = (top.rest <= cut(top.most))[top.owner] & (top.most > cut(top.least)[top.owner])
        score = np.where(hopeful, top.least, 0)
        unsure = np.flatnonzero(hopeful & (top.most > top.least))
        score[unsure], _ = self.scores(chosen[top.owner[unsure]], top.concept[unsure])
        settled = top.rest <= cut(score)
        listed = hopeful & (score > cut(score)[top.owner])
        rest = top.rest.copy()
        np.maximum.at(rest, top.owner[~listed], np.where(hopeful, score, top.most)[~listed])
        listed &= settled[top.owner]
        return settled, Contenders(top.owner[listed], top.concept[listed], score[listed], rest)

    def _top(self, chosen: Int, depth: int) -> _Top:
        """Read the first `depth` entries of each row, by descending count."""
        degree, start = self._degree[chosen], self._start[chosen]
        unread = degree > depth
        below = np.zeros(chosen.shape)
        below[unread] = self._damp(self._counts[self._by_count[start[unread] + depth]])
        draw, column, level = np.nonzero(np.arange(depth) < degree[..., None])
        entry = self._by_count[start[draw, column] + level]
        free = (chosen[draw] != self._indices[entry][:, None]).all(axis=1)
        draw, column, entry = draw[free], column[free], entry[free]
        count, rest = self._damp(self._counts[entry]), below.sum(axis=1)
        pairs, first, order = _group(draw * self._concepts + self._indices[entry])
        owner, concept = np.divmod(pairs, self._concepts)
        least = np.add.reduceat(count[order], first)
        # In rows where the concept was met, its count is known; in the others, it has a lower count.
        most = rest[owner] + np.add.reduceat((count - below[draw, column])[order], first)
        return _Top(owner, concept, least, np.maximum(least, most), rest)

    def _damp(self, counts: NDArray[np.int32]) -> Float64:
        return np.log1p(counts, dtype=np.float64) if self._damping == "log1p" else counts.astype(np.float64)


def _group(values: Int) -> tuple[Int, Int, Int]:
    """Return the distinct values, ascending, where each begins among the sorted values, and the sorting indices."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    return ordered[first], first, order


def _by_descending_count(row: Int, counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the entries of the sparse table row by row, highest count first; equal counts keep their order."""
    highest = np.int64(counts.max(initial=0))
    return np.argsort(row * (highest + 1) + (highest - counts), kind="stable").astype(np.int32)
