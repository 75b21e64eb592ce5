"""The share of sampled combinations that reaches each step of a run: in all, by level and by concept.

Takes about 20 bytes of memory a combination and 12 for each of its concepts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.statistics.wilson import wilson_interval

_wilson = lru_cache(maxsize=1 << 14)(wilson_interval)

Reached = NDArray[np.bool_]
"""Which combinations reached a step, in the order in which they were sampled: shape (combinations,)."""


@dataclass(frozen=True, slots=True)
class ConceptYield:
    """Of `n` combinations with a concept, `count` reached the last step."""

    key: int
    count: int
    n: int
    interval: tuple[float, float]


class Sampled:
    """Combinations by the keys of their ids."""

    def __init__(self) -> None:
        self._ids, self._levels = array("q"), array("i")
        self._sizes, self._concepts = array("i"), array("q")
        self._names: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, key: int, level: str | None, concepts: Iterable[int]) -> None:
        """Add one combination, with its level and the keys of its concepts."""
        before = len(self._concepts)
        self._ids.append(key)
        self._levels.append(self._names.setdefault(level, len(self._names)))
        self._concepts.extend(concepts)
        self._sizes.append(len(self._concepts) - before)

    def reached(self, keys: Iterable[int]) -> Reached:
        """Which combinations have one of these keys; unknown keys are ignored."""
        ids = np.array(self._ids, dtype=np.int64)
        return np.isin(ids, np.unique(np.fromiter(keys, np.int64)))

    def levels(self, reached: Reached) -> dict[str | None, tuple[int, int]]:
        """For each level, how many combinations reached a step, and how many there are; None stands for no level."""
        levels = np.array(self._levels, dtype=np.int64)
        there = np.bincount(levels, minlength=len(self._names)).tolist()
        came = np.bincount(levels[reached], minlength=len(self._names)).tolist()
        return {name: (came[number], there[number]) for name, number in self._names.items()}

    def concepts(self, reached: Reached) -> list[ConceptYield]:
        """How many combinations with each concept reached a step."""
        keys, numbers = np.unique(np.array(self._concepts, dtype=np.int64), return_inverse=True)
        came = np.repeat(reached, np.array(self._sizes, dtype=np.int64))
        there = np.bincount(numbers, minlength=len(keys)).tolist()
        through = np.bincount(numbers[came], minlength=len(keys)).tolist()
        found = zip(keys.tolist(), through, there, strict=True)
        return [ConceptYield(key, count, n, _interval(count, n)) for key, count, n in found]


def extremes(concepts: list[ConceptYield], most: int) -> tuple[list[ConceptYield], list[ConceptYield]]:
    """The concepts with a reliably high yield (by the interval's lower end), and a reliably low one (by its upper end).

    A concept with few combinations has a wide interval, and so is in neither list by chance.
    """
    best = sorted(concepts, key=lambda one: (-one.interval[0], -one.n, one.key))[:most]
    worst = sorted(concepts, key=lambda one: (one.interval[1], -one.n, one.key))[:most]
    return best, worst


def unlike(concepts: list[ConceptYield], share: float) -> int:
    """How many concepts have an interval that excludes the overall yield."""
    return sum(not one.interval[0] <= share <= one.interval[1] for one in concepts)


def yield_json(sampled: Sampled, steps: Mapping[str, Reached]) -> dict[str, Any]:
    """By step and level; intervals are 95 % Wilson intervals of the share that reached the last step."""
    of_all = {name: int(reached.sum()) for name, reached in steps.items()}
    by_level: dict[str, dict[str, Any]] = {}
    for name, reached in steps.items():
        for level, (came, there) in sampled.levels(reached).items():
            shown = by_level.setdefault("(none)" if level is None else level, {"sampled": there, "steps": {}})
            shown["steps"][name] = came
    return {
        **_with_share({"sampled": len(sampled), "steps": of_all}),
        "levels": {name: _with_share(table) for name, table in sorted(by_level.items())},
    }


def _with_share(table: dict[str, Any]) -> dict[str, Any]:
    last, n = ([*table["steps"].values()] or [0])[-1], table["sampled"]
    return {**table, "share": last / n if n and table["steps"] else None, "interval": wilson_interval(last, n)}


def _interval(count: int, n: int) -> tuple[float, float]:
    interval = _wilson(count, n)
    assert interval is not None  # n > 0: a concept is known only from a combination that has it
    return interval
