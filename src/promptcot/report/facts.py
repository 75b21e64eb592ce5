"""What a report says about a run, before any of it is HTML. What is not known is None or empty, and never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptcot.core import fields
from promptcot.core.history import History
from promptcot.core.statistics.estimates import Estimate
from promptcot.storage.counts import BEYOND_TARGET
from promptcot.storage.reviews import Review

Interval = tuple[float, float]

_EACH = ("calls", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many rows came through a step, and how many it left out or failed on, by reason."""

    name: str
    out: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]

    @property
    def lost(self) -> Mapping[str, int]:
        """What was dropped by reason, without the rows that were not needed because the target was reached."""
        return {reason: count for reason, count in self.dropped.items() if reason != BEYOND_TARGET}

    @property
    def beyond(self) -> int:
        """Rows that were not needed because the target was reached."""
        return self.dropped.get(BEYOND_TARGET, 0)


@dataclass(frozen=True, slots=True)
class LevelFacts:
    """The accepted problems of one level, or of several; None is the name for problems without a level.

    `pass_rate` has an n of 0 where no problem was solved.
    """

    name: str | None
    problems: int
    pass_rate: Estimate


@dataclass(frozen=True, slots=True)
class JudgePair:
    """How far two judges agree on `n` problems; `verdicts` counts what the first and the second said together."""

    one: str
    other: str
    n: int
    share: float | None
    interval: Interval | None
    kappa: float | None
    verdicts: Mapping[tuple[str, str], int]
    criteria: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """For each criterion: the number of problems with the same rating from both judges, and the number that both
    rated."""


@dataclass(frozen=True, slots=True)
class Concepts:
    """How often the problems of the set use each concept, most used first; `known` is the number to choose from."""

    counts: Sequence[tuple[str, int]]
    used: int
    known: int | None
    effective: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    """The calls of one step, those of earlier processes included. The cost is None where no call had a price."""

    step: str
    models: Sequence[str]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A dropped problem and the similar one: another problem of the run, or a benchmark's."""

    history: History
    other: str | None
    other_text: str | None
    rule: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A problem that is shown in full, and why it was chosen."""

    history: History
    why: str


@dataclass(frozen=True)
class Report:
    """Everything that a report shows of a run."""

    name: str
    directory: str
    state: str
    missing: Sequence[str]
    """Names of files that should be there."""
    damaged: int
    """Lines that could not be read."""
    through: str | None
    """The step whose rows are shown in place of the set until it is written; None once it is."""
    rejected: int
    """Problems of the set that reviewers have rejected since it was written."""
    repeated: int
    """Rows of the set with an id that an earlier row has."""
    reviews: Mapping[str, Review]
    """The reviews that reject a problem, by the problem's id."""
    recipe: Mapping[str, Any] | None
    summary: Mapping[str, Any]
    steps: Sequence[StepCount]
    problems: int
    levels: Sequence[LevelFacts]
    """The most frequent levels."""
    other_levels: LevelFacts | None
    """The problems of all `more_levels` other levels together."""
    more_levels: int
    pass_rate: Estimate
    agreement: Estimate
    pass_rates: Sequence[Mapping[str, Any]]
    """The histogram of pass rates, as `core.statistics.pass_rates` has it."""
    validity: Mapping[str, Mapping[str, int]]
    """Labelled problems by verdict, and within it by agreement; empty where nothing was verified."""
    judges: Sequence[JudgePair]
    disputed: Sequence[History]
    concepts: Concepts | None
    copies: Sequence[Pair]
    contaminated: Sequence[Pair]
    spent: Sequence[Spent]
    chosen: Sequence[Chosen]

    @property
    def measure(self) -> Mapping[str, Any]:
        """What the run measured of its set when it ended; empty before that."""
        return fields.mapping(self.summary.get("measure"))

    @property
    def truth(self) -> Mapping[str, Any]:
        """What the checker of the nano world found true of the problems; empty for other problems."""
        return fields.mapping(self.summary.get("truth"))

    @property
    def yielded(self) -> tuple[int, int] | None:
        """The number of problems and of sampled combinations; None where they are not known, or not yet."""
        found = fields.whole(fields.mapping(self.measure.get("yield")).get("sampled"))
        sampled = next((one.out for one in self.steps if one.name == "sample"), 0) if found is None else found
        ended = self.state in ("finished", "incomplete")
        return (self.problems, sampled) if ended and sampled > 0 and sampled >= self.problems else None

    @property
    def each(self) -> Mapping[str, float | None]:
        """Calls, tokens and cost for each problem of the set; empty where unknown."""
        found = fields.mapping(self.measure.get("spent"))
        if found:
            return {key: fields.number(found.get(key)) for key in (*_EACH, "cost")}
        if not self.spent or not self.problems:
            return {}
        costs = [one.cost for one in self.spent if one.cost is not None]
        each = {key: sum(getattr(one, key) for one in self.spent) / self.problems for key in _EACH}
        return {**each, "cost": sum(costs) / self.problems if costs else None}

    def lost_in(self, step: str) -> int | None:
        """How many rows a step dropped; None where the run has no such step."""
        return next((sum(one.lost.values()) for one in self.steps if one.name == step), None)

    def has(self, step: str) -> bool:
        """Whether the run has a step of this name, or steps that begin with it, such as the judges."""
        return any(one.name == step or one.name.startswith(f"{step}-") for one in self.steps)
