"""Steps that pass every row of a trial, and record which rows they would have dropped.

A trial has few rows, and if most were dropped, the later models, especially the teacher, would not be tried. Decisions
are therefore recorded without dropping rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptcot.pipeline.plan import PlannedStep
from promptcot.recipe.recipe import step_of
from promptcot.records import Completion, Drop, Dropped, Request, Retry, Row
from promptcot.stages import called
from promptcot.stages.protocol import Stage, Step


@dataclass
class Decisions:
    """The ids of the rows that each step would have dropped, by its name."""

    left_out: dict[str, set[str]] = field(default_factory=dict)

    def lenient(self, steps: Sequence[PlannedStep]) -> list[PlannedStep]:
        """The steps of a run, modified to pass all rows; the user's own steps are unchanged."""
        return [self._lenient(step) for step in steps]

    def passed(self, rows: Sequence[Row], *names: str) -> int:
        """How many of these rows none of the named steps would have dropped."""
        lost = set[str]().union(*(self.left_out.get(name, set()) for name in names))
        return sum(str(row.get("id")) not in lost for row in rows)

    def note(self, step: str, row: Row) -> None:
        """Record a row that this step would have dropped."""
        self.left_out.setdefault(step, set()).add(str(row.get("id")))

    def _lenient(self, planned: PlannedStep) -> PlannedStep:
        if planned.name != "filter" and step_of(planned.name) is None:
            return planned
        if planned.stage is not None:
            return replace(planned, stage=_LenientStage(planned.stage, self))
        make = planned.make
        return planned if make is None else replace(planned, make=lambda folder: _made(make(folder), self))


def _made(step: Step, decisions: Decisions) -> Step:
    return _LenientStep(step, decisions)


@dataclass(frozen=True)
class _LenientStage:
    stage: Stage
    decisions: Decisions

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stage, name)

    @property
    def name(self) -> str:
        return self.stage.name

    def ask(self, row: Row) -> Sequence[Request]:
        return self.stage.ask(row)

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        found = self.stage.read(row, replies)
        if not isinstance(found, Drop):
            return found
        self.decisions.note(self.stage.name, row)
        return [{**row, **found.details}]


@dataclass(frozen=True)
class _LenientStep:
    step: Step
    decisions: Decisions

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def groups(self) -> bool:
        return called.groups(self.step)

    def apply(self, row: Row) -> Sequence[Row]:
        found = self.step.apply(row)
        if isinstance(found, Drop):
            return [self._kept(row)]
        return [self._kept(found.row)] if isinstance(found, Dropped) else found

    def finish(self) -> Iterator[Row | None]:
        for left in self.step.finish():
            yield self._kept(left.row) if isinstance(left, Dropped) else left

    def close(self) -> None:
        called.close(self.step)

    def summary(self) -> Mapping[str, Any]:
        return called.summary(self.step)

    def _kept(self, row: Row) -> Row:
        self.decisions.note(self.step.name, row)
        return row
