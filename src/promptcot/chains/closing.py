"""The results at the end of a chain: a comparison of students, and of a generator before and after its training.

Decides what is counted and compared; `core` computes the statistics, and the command line formats them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from promptcot.core.statistics import Comparison, Share, SourceTally, Summary, compare, summarize
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.core.training_rows import concepts_of, level_of
from promptcot.evaluation.plots import Result
from promptcot.nano import IllPosed, check, concepts_used
from promptcot.records import Row

_GAINS = (("before", "after"), ("before", "control"), ("control", "after"))


@dataclass(frozen=True, slots=True)
class Student:
    """An evaluated model: `which` of the chain's students it is, and its samples on one benchmark."""

    which: str
    model: str
    counts: SourceTally


@dataclass(frozen=True, slots=True)
class Students:
    """The students on one benchmark. `gains` are differences over the same problems, such as `after - before`."""

    benchmark: str
    models: Mapping[str, str]
    summaries: Mapping[str, Summary]
    gains: Mapping[str, Comparison]

    def as_json(self) -> dict[str, Any]:
        """Plain values; null if unknown."""
        students = {which: {"model": self.models[which], **one.as_json()} for which, one in self.summaries.items()}
        return {"students": students, "gains": {name: gain.as_json() for name, gain in self.gains.items()}}

    def for_card(self, names: Mapping[str, str]) -> list[Result]:
        """The results for the trained model's card, each student under its name there."""
        accuracies = [(which, one.accuracy, one.mean_tokens) for which, one in self.summaries.items()]
        return [
            Result(names[which], self.benchmark, share.mean, share.interval, share.n, tokens)
            for which, share, tokens in accuracies
            if share.mean is not None
        ]


def side_by_side(students: list[Student], rng: np.random.Generator | None = None) -> Students:
    """Compare `before`, `after` and, if there is one, `control` on one benchmark. Raises InputError for repeats."""
    by_name = {one.which: one.counts for one in students}
    return Students(
        benchmark=students[0].counts.source,
        models={one.which: one.model for one in students},
        summaries={one.which: summarize(one.counts, rng=rng) for one in students},
        gains={f"{b} - {a}": compare(by_name[a], by_name[b]) for a, b in _GAINS if {a, b} <= by_name.keys()},
    )


@dataclass(frozen=True, slots=True)
class Written:
    """What a generator wrote for `n` prompts: how often with readable markup, and in the nano world, how often
    correctly.

    A well-posed problem has exactly one answer; `as_asked` ones also use all concepts of their prompt.
    """

    readable: Share
    well_posed: Share | None = None
    as_asked: Share | None = None

    def as_json(self) -> dict[str, Any]:
        """Count, n, value and 95 % interval (Wilson's) of each share."""
        shares = {"readable": self.readable, "well_posed": self.well_posed, "as_asked": self.as_asked}
        return {name: share and _with_interval(share) for name, share in shares.items()}


def _with_interval(share: Share) -> dict[str, Any]:
    return {**asdict(share), "value": share.value, "interval": wilson_interval(share.count, share.n)}


def combination(row: Row) -> tuple[frozenset[str], str | None]:
    """The request in a prompt: concepts, in any order, and a level."""
    return frozenset(concepts_of(row)), level_of(row)


def written(prompts: Iterable[Row], problems: Mapping[str, Row], *, nano: bool) -> Written:
    """Count the results for these prompts. `problems` are the readable ones, by the id of their prompt."""
    asked = [row["id"] for row in prompts]
    found = [problems[name] for name in asked if name in problems]
    readable = Share(len(found), len(asked))
    if not nano:
        return Written(readable)
    texts = [row for row in found if isinstance(row.get("problem"), str)]
    sound = [(row, solution) for row in texts if not isinstance(solution := check(row["problem"]), IllPosed)]
    right = sum(set(concepts_of(row)) <= set(concepts_used(solution)) for row, solution in sound)
    return Written(readable, Share(len(sound), len(asked)), Share(right, len(asked)))
