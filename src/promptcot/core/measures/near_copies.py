"""Counts the problems of a set that have a near copy, at several thresholds of similarity.

A sample of problems is compared with all texts of the set, so that no near copy is missed. The similarity of two texts
is the larger of two shares: that of common short shingles (`core.overlap.shingles`), and that of equal words in their
alignment. `dedup` starts with the same similarity, but drops more kinds of copies and keeps problems that differ in
numbers (`core.overlap.near`).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from promptcot.core.overlap import shingles
from promptcot.core.overlap.near import Text
from promptcot.core.statistics.wilson import wilson_interval

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
_LEAST = 0.25
"""The least similarity of short shingles: texts below it rarely have half of their words in common."""
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Nearest:
    """The similarity of the most similar other text; `numbers_only`: it has the same words, but other numbers."""

    similarity: float
    numbers_only: bool


class NearCopies:
    """Sampled texts, with their positions in the set. `look` compares them with each text of the set, one at a time."""

    def __init__(self, texts: Sequence[tuple[int, Text]]) -> None:
        self._texts = [text for _, text in texts]
        self._at = {place: number for number, (place, _) in enumerate(texts)}
        self._sizes = np.array([len(text.short) for text in self._texts], np.int64)
        hashes = np.concatenate([text.short for text in self._texts] or [np.empty(0, np.uint64)])
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._owners = np.repeat(np.arange(len(texts), dtype=np.int32), self._sizes)[order]
        self._floor = np.full(len(texts), _LEAST)
        self._likely: list[list[tuple[float, int, Text]]] = [[] for _ in texts]
        self.among = 0

    def look(self, place: int, text: Text) -> None:
        """Compare one more text, at this position in the set; a text is not compared with itself."""
        self.among += 1
        shared = self._shared(text.short)
        alike = shared / np.maximum(self._sizes + len(text.short) - shared, 1)
        if place in self._at:
            alike[self._at[place]] = 0
        for number in np.flatnonzero(alike > self._floor).tolist():
            self._keep(number, (float(alike[number]), -place, text))

    def nearest(self) -> list[Nearest | None]:
        """For each text, the most similar one so far; None if none has a similarity near one half."""
        return [_nearest(text, its) for text, its in zip(self._texts, self._likely, strict=True)]

    def _shared(self, wanted: shingles.Hashes) -> NDArray[np.int64]:
        """The number of these hashes in each text: shape (texts,)."""
        starts = np.searchsorted(self._hashes, wanted, "left")
        counts = np.searchsorted(self._hashes, wanted, "right") - starts
        before = np.cumsum(counts) - counts
        places = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
        return np.bincount(self._owners[places], minlength=len(self._texts))

    def _keep(self, number: int, found: tuple[float, int, Text]) -> None:
        likely = self._likely[number]
        (heapq.heappush if len(likely) < _KEPT else heapq.heapreplace)(likely, found)
        if found[0] == 1:  # the largest possible similarity
            self._floor[number] = 1
        elif len(likely) == _KEPT and self._floor[number] < 1:
            self._floor[number] = likely[0][0]


def _nearest(text: Text, likely: Sequence[tuple[float, int, Text]]) -> Nearest | None:
    candidates = [_alike(text, other, shared) for shared, _, other in likely]
    return max(candidates, key=lambda one: one.similarity, default=None)


def _alike(one: Text, other: Text, shared: float) -> Nearest:
    by_words = Levenshtein.normalized_similarity(one.words, other.words)
    return Nearest(max(shared, by_words), one.masked == other.masked and one.plain != other.plain)


def by_threshold(nearest: Sequence[Nearest | None]) -> list[dict[str, Any]]:
    """For each threshold, how many texts have another one at least as similar, and for how many only numbers differ."""
    counts = []
    for least in THRESHOLDS:
        alike = [one for one in nearest if one is not None and one.similarity >= least]
        count, n = len(alike), len(nearest)
        counts.append(
            {
                "least": least,
                "count": count,
                "share": count / n if n else None,
                "interval": wilson_interval(count, n),
                "numbers_only": sum(one.numbers_only for one in alike),
            }
        )
    return counts
