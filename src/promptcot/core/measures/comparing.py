"""Compares two sets: the differences, with confidence intervals where possible, and whether they exceed the noise.

Counts of distinct items grow with the size of a set, so they are compared on samples of equal size: the larger set is
reduced to the size of the smaller one, by a draw with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot.core.measures.measured import Measured
from promptcot.core.statistics.differences import Difference, of_means, of_shares
from promptcot.core.statistics.diversity import concept_spread, nearest_distances, vendi_score

_ALIKE = 0.85
_MOST_LEVELS = 12
_SEED = 1

Kind = Literal["share", "mean", "number"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One quantity of two sets: a share, a mean, or a number without an interval."""

    name: str
    kind: Kind
    difference: Difference

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {"name": self.name, "kind": self.kind, **self.difference.as_json(), "clear": self.difference.is_clear}


def compared(a: Measured, b: Measured) -> list[Compared]:
    """All quantities that at least one of the sets has."""
    quantities = [*_shares(a, b), *_means(a, b), *_numbers(a, b)]
    return [one for one in quantities if one.difference.a is not None or one.difference.b is not None]


def in_both(a: Measured, b: Measured) -> int:
    """The number of distinct problems, by their texts, that are in both sets."""
    return len(np.intersect1d(a.tally.texts, b.tally.texts))


def _shares(a: Measured, b: Measured) -> Iterator[Compared]:
    def share(name: str, one: tuple[int, int], other: tuple[int, int]) -> Compared:
        return Compared(name, "share", of_shares(*one, *other))

    if a.tally.labelled or b.tally.labelled:
        yield share("with an answer", _labelled(a), _labelled(b))
    yield share("valid, of those verified", _valid(a), _valid(b))
    yield share("solved by all traces", _solved(a, 1), _solved(b, 1))
    yield share("solved by no trace", _solved(a, 0), _solved(b, 0))
    levels = (a.tally.levels + b.tally.levels).most_common(_MOST_LEVELS)
    for name in sorted(name for name, _ in levels):
        yield share(f"level {name}", _level(a, name), _level(b, name))
    yield share(f"with another one at least {_ALIKE} alike", _alike(a), _alike(b))
    yield share("yield of combinations", _yield(a), _yield(b))


def _labelled(one: Measured) -> tuple[int, int]:
    return one.tally.labelled, one.tally.rows


def _valid(one: Measured) -> tuple[int, int]:
    return one.tally.verdicts["valid"], one.tally.verdicts.total()


def _solved(one: Measured, rate: int) -> tuple[int, int]:
    rates = one.tally.values("pass_rate")
    return int((rates == rate).sum()), len(rates)


def _level(one: Measured, name: str) -> tuple[int, int]:
    return one.tally.levels[name], one.tally.levels.total()


def _alike(one: Measured) -> tuple[int, int]:
    near = one.nearest if one.among > 1 else ()
    return sum(other is not None and other.similarity >= _ALIKE for other in near), len(near)


def _yield(one: Measured) -> tuple[int, int]:
    found: Mapping[str, Any] = one.run.get("yield") or {}
    return ([*found["steps"].values()] or [0])[-1] if found else 0, found["sampled"] if found else 0


def _means(a: Measured, b: Measured) -> Iterator[Compared]:
    names = {"pass_rate": "pass rate", "agreement": "agreement", "mean_tokens": "tokens of a trace"}
    for key, name in {**names, "characters": "characters of a problem"}.items():
        yield Compared(name, "mean", of_means(a.tally.values(key), b.tally.values(key)))
    one, other = map(nearest_distances, _equally_many(a, b))
    yield Compared("distance to the nearest problem", "mean", of_means(one, other))


def _numbers(a: Measured, b: Measured) -> Iterator[Compared]:
    uses = _cut(a.tally.uses, b.tally.uses)
    spreads = [concept_spread(np.unique(one, return_counts=True)[1].tolist()) for one in uses]
    used, effective, evenness = zip(
        *((one.covered or None, one.effective, one.evenness) for one in spreads), strict=True
    )
    sizes = len(uses[0]), len(uses[1])
    yield _number("concepts that are used", used, sizes)
    yield _number("effective number of concepts", effective, sizes)
    yield _number("evenness of concepts", evenness, sizes)
    vectors = _equally_many(a, b)
    yield _number("Vendi score", tuple(map(vendi_score, vectors)), (len(vectors[0]), len(vectors[1])))
    spent = a.run.get("spent") or {}, b.run.get("spent") or {}
    problems = a.tally.rows, b.tally.rows
    for key, name in (("completion_tokens", "completion tokens a problem"), ("cost", "cost a problem")):
        yield _number(name, (spent[0].get(key), spent[1].get(key)), problems)


def _number(name: str, values: tuple[float | None, ...], sizes: tuple[int, int]) -> Compared:
    one, other = values
    gap = other - one if one is not None and other is not None else None
    counted = [size if value is not None else 0 for size, value in zip(sizes, values, strict=True)]
    return Compared(name, "number", Difference(one, other, counted[0], counted[1], gap, None))


def _equally_many(a: Measured, b: Measured) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The vectors of both sets, for equally many problems."""
    none = np.empty((0, 1), np.float32)
    one, other = (none if measured.vectors is None else measured.vectors for measured in (a, b))
    n = min(len(one), len(other)) or max(len(one), len(other))
    return one[:n], other[:n]


def _cut(one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Equally many entries of each, drawn without replacement, if both have some."""
    n = min(len(one), len(other)) or max(len(one), len(other))
    generator = np.random.default_rng(_SEED)
    drawn = [entries if len(entries) <= n else generator.choice(entries, n, replace=False) for entries in (one, other)]
    return drawn[0], drawn[1]
