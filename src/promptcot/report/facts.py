"""What a report knows of a run, before any of it is HTML. What is not known is None or empty, and never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptcot.core.history import History
from promptcot.core.statistics.estimates import Estimate

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many rows came through a step, and how many it left out or failed on, by reason."""

    name: str
    out: int
    dropped: Mapping[str, int]
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LevelFacts:
    """The accepted problems of one level. `pass_rate` has an n of 0 where no problem was solved."""

    name: str
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
    """By criterion on how many problems both gave the same rating, and of how many."""


@dataclass(frozen=True, slots=True)
class Concepts:
    """How often the problems of the set use each concept, most used first; `known` are there to use."""

    counts: Sequence[tuple[str, int]]
    used: int
    known: int | None
    effective: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one step asked of models in all."""

    step: str
    models: Sequence[str]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """A problem that was left out, and the one it is like: another problem of the run, or a benchmark's."""

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
    """Everything that is shown of a run."""

    name: str
    directory: str
    state: str
    missing: Sequence[str]
    """Files that should be there, in words."""
    damaged: int
    """Lines that could not be read."""
    recipe: Mapping[str, Any] | None
    summary: Mapping[str, Any]
    steps: Sequence[StepCount]
    problems: int
    levels: Sequence[LevelFacts]
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
        found = self.summary.get("measure")
        return found if isinstance(found, Mapping) else {}

    @property
    def yielded(self) -> tuple[int, int] | None:
        """How many problems came of how many sampled combinations; None where that is not known, or not yet."""
        found = self.measure.get("yield")
        sampled = next((one.out for one in self.steps if one.name == "sample"), 0)
        if isinstance(found, Mapping) and isinstance(found.get("sampled"), int):
            sampled = found["sampled"]
        ended = self.state in ("finished", "incomplete")
        return (self.problems, sampled) if ended and sampled and sampled >= self.problems else None

    @property
    def each(self) -> Mapping[str, Any]:
        """What a problem of the set took: calls, tokens and cost, divided by the problems; empty where unknown."""
        found = self.measure.get("spent")
        if isinstance(found, Mapping):
            return found
        if not self.spent or not self.problems:
            return {}
        keys = ("calls", "prompt_tokens", "completion_tokens")
        costs = [one.cost for one in self.spent if one.cost is not None]
        told = {key: sum(getattr(one, key) for one in self.spent) / self.problems for key in keys}
        return {**told, "cost": sum(costs) / self.problems if costs else None}

    def has(self, step: str) -> bool:
        """Whether the run has a step of this name, or steps that begin with it, such as the judges."""
        return any(one.name == step or one.name.startswith(f"{step}-") for one in self.steps)
