"""Solve and label as steps of a flow: counts by problem, refusals, and resuming after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptcot import domains
from promptcot.core.labelling import Band
from promptcot.engines.scripted import Script, ScriptedEngine
from promptcot.errors import EngineUnusable, RequestRefused
from promptcot.grading.graders import Graders
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.plan import PlannedStep
from promptcot.pipeline.steps_job import StepsJob
from promptcot.pipeline.synchronous import wait_for
from promptcot.pipeline.trouble import came_to_nothing
from promptcot.recipe.schema import Model
from promptcot.records import Completion, Drop, Item, Request, Row, Sampling
from promptcot.stages.answers import Answers
from promptcot.stages.labelled import Label
from promptcot.stages.solve import Solve
from promptcot.stages.traces import Traces
from promptcot.storage.counts import StageCounts
from promptcot.storage.rows import read_rows

MATH = domains.load("math")
PROBLEMS = [{"id": f"p{number}", "problem": f"Find {number}."} for number in range(12)]


def number_in(request: Request) -> int:
    return int(request.prompt.split("Find ")[1].split(".")[0])


def solved(request: Request) -> Completion | Exception:
    """A third of the problems is agreed, a third is a tie, and of a third one call is refused."""
    number = number_in(request)
    if number % 3 == 2 and request.sample == 1:
        return RequestRefused("too long", "over-long")
    answer = request.sample if number % 3 == 1 else number
    return Completion(rf"<think>{number}</think> \boxed{{{answer}}}", "stop", 5, 7)


class Sieve:
    """A custom step that removes the first trace of some problems."""

    name = "sieve"

    def __init__(self, folder: Path) -> None:
        """Nothing to remember."""

    def apply(self, row: Row) -> list[Row] | Drop:
        return Drop("taken away") if row["sample"] == 0 and row["id"] in ("p3", "p11") else [row]

    def finish(self) -> list[Row]:
        return []


Run = Callable[..., dict[str, StageCounts]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(script: Script = solved, folder: str = "out", between: Any = None) -> dict[str, StageCounts]:
        solve = Traces(Solve(MATH, Sampling(), 3, model="m"), 4)

        def labels(_: Path) -> Label:
            return Label(Graders(1), Band(), Answers(MATH.settings.refusals))

        steps = [
            PlannedStep("solve", "stage", Model(model="m"), "solver", solve),
            *([PlannedStep("sieve", "step", make=between)] if between else []),
            PlannedStep("label", "step", make=labels, in_thread=True),
        ]

        def items() -> Iterator[Item]:
            return (Item(index, row) for index, row in enumerate(PROBLEMS))

        output = tmp_path / folder / "labels.jsonl"
        job = StepsJob("labels", steps, items, output, engines={"solve": ScriptedEngine(script, model="m")})
        return {counts.name: counts for counts in wait_for(run_steps(job, Silent()))}

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def test_rows_are_counted_by_problems_and_a_failed_call_loses_none(run: Run, tmp_path: Path) -> None:
    counts = run()
    solve, label = counts["solve"], counts["label"]
    assert (solve.rows_in, solve.rows_out, solve.rows_written, solve.calls) == (12, 12, 44, 44)
    assert solve.unanswered == {"over-long": 4}
    assert (label.rows_in, label.rows_out, label.rows_written) == (12, 8, 8)
    assert label.dropped == {"unlabelled: tie": 4}
    rows = list(read_rows(tmp_path / "out" / "labels.jsonl"))
    assert [(row["id"], row["label"], row["n"]) for row in rows] == [
        (f"p{number}", str(number), 4 if number % 3 == 0 else 3) for number in range(12) if number % 3 != 1
    ]
    dropped = list(read_rows(tmp_path / "out" / "labels.dropped.jsonl"))
    assert [row["id"] for row in dropped] == ["p1", "p4", "p7", "p10"]
    assert all(row["label"] is None and row["n"] == 4 and "completion" not in row for row in dropped)


@pytest.mark.parametrize(
    "said", [r"There is \boxed{no solution}.", "The problem as stated is contradictory.", r"\boxed{impossible}"]
)
def test_a_teacher_that_refuses_everything_gives_nothing_and_each_drop_says_so(run: Run, said: str) -> None:
    label = run(lambda _: said)["label"]
    assert label.dropped == {"refused by most traces": 12}
    assert came_to_nothing(label)


def test_problems_of_which_a_step_took_traces_are_labelled_and_counted(run: Run) -> None:
    counts = run(between=Sieve)
    label = counts["label"]
    assert counts["sieve"].dropped == {"taken away": 2}
    assert (label.rows_in, label.rows_out, label.dropped.total()) == (12, 8, 4)
    assert label.balanced


def test_a_run_that_is_stopped_anywhere_gives_the_bytes_of_an_undisturbed_one(run: Run, tmp_path: Path) -> None:
    run(folder="whole")
    for stopped_at in (1, 5, 17, 43):
        answered = 0

        def interrupted(request: Request, last: int = stopped_at) -> Completion | Exception:
            nonlocal answered
            answered += 1
            return EngineUnusable("gone", "gone") if answered > last else solved(request)

        folder = f"stopped-{stopped_at}"
        with pytest.raises(EngineUnusable):
            run(interrupted, folder)
        assert "labels.jsonl" not in files(tmp_path / folder)
        solve = run(folder=folder)["solve"]
        assert files(tmp_path / folder) == files(tmp_path / "whole")
        assert solve.calls + solve.reused == 44
