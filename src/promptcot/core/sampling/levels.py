"""Levels that fit the concepts of a combination, by the levels of the seed problems.

For the concepts C of a combination, level l has probability proportional to

    P(l | |C|) · Π_{i, j in C} (n(i, j, l) + P(l))

where n(i, j, l) is the number of seeds of level l with the concepts i and j, P(l) the share of level l among the seeds,
and P(l | k) its share among those with k concepts, with the weight of one more seed given to P(l): so a pair that no
seed holds says nothing, and a level that no seed has is never drawn. Seeds of other levels, or without one, do not
count. The draw depends on the seed number and the names of the concepts alone, not on the draws before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.sampling.concepts import ConceptTable, Int64, pair_keys
from promptcot.errors import InputError

Float64 = NDArray[np.float64]
Int = NDArray[np.integer[Any]]


class LevelDistribution:
    """Draws a level for each combination of a table's concepts.

    Holds 12 bytes for each pair of concepts and level that share a seed.

    Args:
        table: N concepts; other names in the seeds are ignored.
        seeds: the concepts and the level of each seed problem.
        levels: the levels to draw from.

    Raises:
        InputError: no seed has one of the levels.
    """

    def __init__(
        self, table: ConceptTable, seeds: Iterable[tuple[Sequence[str], object]], levels: Sequence[str]
    ) -> None:
        self._names, self._levels = table.names, len(levels)
        by_level = _by_level(table, seeds, levels)
        counts = np.array([len(rows) for rows in by_level], float)
        if not counts.sum():
            raise InputError(
                f"fit_levels: none of the seed combinations has a `level` that is drawn ({', '.join(levels)}); "
                "leave fit_levels out, or give the seeds levels"
            )
        self._shares: Float64 = counts / counts.sum()
        self._by_size = _by_size(by_level, self._shares)
        self._keys, self._counts = _pairs(by_level, len(table))

    def probabilities(self, chosen: Int) -> Float64:
        """Return (n, levels) the probability of each level for the combinations (n, k), padded with -1."""
        ordered = np.sort(chosen, axis=1)  # -1 first; the sums below do not depend on the order of the draws
        sizes = np.minimum((ordered >= 0).sum(axis=1), len(self._by_size) - 1)
        with np.errstate(divide="ignore"):
            score: Float64 = np.log(self._by_size[sizes])
            for i, j in combinations(range(ordered.shape[1]), 2):
                both = np.flatnonzero(ordered[:, i] >= 0)
                score[both] += np.log(self._together(ordered[both, i], ordered[both, j]) + self._shares)
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        shares: Float64 = weight / weight.sum(axis=1, keepdims=True)
        return shares

    def draw(self, chosen: Int, seed: int) -> Int64:
        """Return (n,) the number of a level for each of the combinations (n, k), padded with -1."""
        ends = self.probabilities(chosen).cumsum(axis=1)
        point = np.array([self._point(row, seed) for row in chosen.tolist()])
        level: Int64 = (ends <= (point * ends[:, -1])[:, None]).sum(axis=1)
        return level

    def _together(self, first: Int, second: Int) -> Int64:
        """Return (n, levels) the number of seeds with both concepts, `first` < `second`, by level."""
        key = (first.astype(np.int64) * len(self._names) + second) * self._levels
        place = np.searchsorted(self._keys, key)
        found = np.zeros((len(key), self._levels), np.int64)
        for level in range(self._levels):  # the entries of a pair lie one after the other
            here = self._keys[place] == key + level
            found[here, level] = self._counts[place[here]]
            place += here
        return found

    def _point(self, row: list[int], seed: int) -> float:
        """A number in [0, 1) that the seed and the set of concepts determine."""
        names = sorted(self._names[concept] for concept in row if concept >= 0)
        digest = hashlib.blake2b(repr((seed, names)).encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def _by_level(
    table: ConceptTable, seeds: Iterable[tuple[Sequence[str], object]], levels: Sequence[str]
) -> list[list[list[int]]]:
    """The seeds of each level, as lists of the numbers of their concepts."""
    number = {name: concept for concept, name in enumerate(table.names)}
    found: dict[object, list[list[int]]] = {level: [] for level in levels}
    for concepts, level in seeds:
        if isinstance(level, str) and level in found:
            known = (number.get(name.strip()) for name in concepts)
            found[level].append(list(dict.fromkeys(concept for concept in known if concept is not None)))
    return [found[level] for level in levels]


def _by_size(by_level: list[list[list[int]]], shares: Float64) -> Float64:
    """Return (sizes, levels) the share of each level among the seeds with 0, 1, … concepts; the last row is for all
    sizes that no seed has."""
    largest = max(len(row) for rows in by_level for row in rows)
    counts = np.stack([np.bincount([len(row) for row in rows], minlength=largest + 2) for rows in by_level], axis=1)
    weights: Float64 = (counts + shares) / (counts.sum(axis=1, keepdims=True) + 1)
    return weights


def _pairs(by_level: list[list[list[int]]], concepts: int) -> tuple[Int64, NDArray[np.int32]]:
    """Return ascending keys `(concepts * i + j) * levels + level` for pairs i < j, with a last one that nothing equals,
    and the number of seeds of each."""
    keys = []
    for level, rows in enumerate(by_level):
        members = np.array([concept for row in rows for concept in row], np.int32)
        pairs = pair_keys(members, np.array([len(row) for row in rows], np.int64), concepts)
        keys.append(pairs[pairs // concepts < pairs % concepts] * len(by_level) + level)
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    return np.append(found, np.iinfo(np.int64).max), counts.astype(np.int32)
