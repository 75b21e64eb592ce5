"""Rows of a file through several steps into one output: the content of each file, independent of timing."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.api.jobs import Job
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.observer import Silent
from promptcot.pipeline.plan import PlannedStep
from promptcot.pipeline.steps_job import StepsJob
from promptcot.pipeline.synchronous import wait_for
from promptcot.recipe.schema import Model
from promptcot.records import Drop, Dropped, Item, Request, Row, Sampling
from promptcot.storage.counts import StageCounts
from promptcot.storage.rows import read_rows

ROWS = [{"id": str(number), "number": number} for number in range(40)]


class Plain:
    """A step that does nothing."""

    name = "plain"

    def __init__(self, folder: Path) -> None:
        self.closed = 0

    def apply(self, row: Row) -> list[Row] | Drop:
        return [row]

    def finish(self) -> list[Row | Dropped]:
        return []

    def close(self) -> None:
        self.closed += 1


class Odd(Plain):
    """Drops even numbers."""

    name = "odd"

    def apply(self, row: Row) -> list[Row] | Drop:
        return [row] if row["number"] % 2 else Drop("even")


class Held(Plain):
    """Returns all rows except the first at the end."""

    name = "held"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        self.rows: list[Row] = []

    def apply(self, row: Row) -> list[Row]:
        self.rows.append(row)
        return []

    def finish(self) -> list[Row | Dropped]:
        return [Dropped(self.rows[0], Drop("first")), *self.rows[1:]]

    def summary(self) -> Mapping[str, Any]:
        return {"held": len(self.rows), "closed": self.closed}


class Broken(Plain):
    """Cannot go on."""

    name = "broken"

    def apply(self, row: Row) -> list[Row]:
        raise OSError("the disk is full")


class Ask:
    """Makes a call for a row; `by` names the model."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ask(self, row: Row) -> list[Request]:
        return [Request(prompt=f"{self.name} {row['number']}", sampling=Sampling(), seed=1)]

    def read(self, row: Row, replies: Any) -> list[Row]:
        return [{**row, self.name: replies[0].text}]


def answered(request: Request) -> Any:
    number = int(request.prompt.split()[1])
    return promptcot.RequestRefused("no", "refused") if number % 5 == 0 else request.prompt


def _engine() -> promptcot.ScriptedEngine:
    return promptcot.ScriptedEngine(answered, model="m", latency=lambda request: 0.001 * (hash(request.prompt) % 4))


def stage(name: str, **more: Any) -> PlannedStep:
    return PlannedStep(name, "stage", Model(model="m"), "r", Ask(name), **more)


def step(kind: type[Any], **more: Any) -> PlannedStep:
    return PlannedStep(kind.name, "step", make=kind, **more)


def joined(row: Row, made: Mapping[str, Row]) -> Row:
    return {**row, "made": sorted(made)}


Run = Callable[..., list[StageCounts]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*steps: PlannedStep, output: str = "out.jsonl", engines: Any = None, concurrency: int = 8) -> Any:
        def items() -> Iterator[Item]:
            return (Item(index, row) for index, row in enumerate(ROWS))

        given = {one.name: _engine() for one in steps if one.stage} if engines is None else engines
        job = StepsJob("several", steps, items, tmp_path / output, {"a": 1}, concurrency=concurrency, engines=given)
        return wait_for(run_steps(job, Silent()))

    return run


def _lines(path: Path) -> list[Row]:
    return list(read_rows(path, may_be_empty=True))


def test_rows_that_any_step_leaves_out_lie_beside_the_output_in_input_order(run: Run, tmp_path: Path) -> None:
    asked, odd, held = run(stage("asked"), step(Odd), step(Held, at_end=True))
    assert [row["number"] for row in _lines(tmp_path / "out.jsonl")] == [
        number for number in range(3, 40, 2) if number % 5
    ]
    dropped = _lines(tmp_path / "out.dropped.jsonl")
    assert [row["reason"] for row in dropped].count("first") == 1
    even = [row["number"] for row in dropped if row["reason"] == "even"]
    assert even == sorted(even)
    assert len(even) == odd.dropped["even"] == 16
    assert [row["number"] for row in _lines(tmp_path / "out.failed.jsonl")] == [*range(0, 40, 5)]
    assert (asked.rows_in, asked.failed["refused"], odd.rows_in, held.rows_out) == (40, 8, 32, 15)
    summary = json.loads((tmp_path / "out.summary.json").read_text())
    assert [*summary["stages"]] == ["asked", "odd", "held"]
    assert (summary["held"], summary["closed"]) == (16, 1)
    assert json.loads((tmp_path / "out.recipe.json").read_text())["models"] == {"asked": "m"}


def test_files_are_the_same_whatever_comes_first_and_nothing_is_asked_twice(run: Run, tmp_path: Path) -> None:
    steps = (stage("asked"), step(Odd), stage("again"), step(Held, at_end=True))
    run(*steps, output="one.jsonl", concurrency=1)
    run(*steps, output="many.jsonl", concurrency=32)
    for kind in ("", ".dropped", ".failed"):
        assert (tmp_path / f"one{kind}.jsonl").read_bytes() == (tmp_path / f"many{kind}.jsonl").read_bytes()
    again = run(*steps, output="one.jsonl")
    assert [(one.calls, one.reused) for one in again if one.name in ("asked", "again")] == [(0, 32), (0, 16)]


def test_what_one_of_several_side_by_side_loses_goes_on_with_the_others(run: Run, tmp_path: Path) -> None:
    refusing = promptcot.ScriptedEngine(lambda _: "yes", model="m")
    steps = (stage("a", join=joined), stage("b", join=joined), step(Plain))
    one, other, _ = run(*steps, engines={"a": _engine(), "b": refusing})
    rows = _lines(tmp_path / "out.jsonl")
    assert [row["number"] for row in rows] == [*range(40)]
    assert [row["number"] for row in rows if row["made"] == ["b"]] == [*range(0, 40, 5)]
    assert (one.failed["refused"], other.failed) == (8, {})
    assert not (tmp_path / "out.failed.jsonl").exists()


def test_steps_without_a_model_leave_no_folder(run: Run, tmp_path: Path) -> None:
    run(step(Odd), step(Held, at_end=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("out.dropped.jsonl", "out.jsonl", "out.recipe.json", "out.summary.json")
    ]


@pytest.mark.parametrize("last", [Held, Broken])
def test_a_step_is_closed_once_however_the_run_ends(run: Run, tmp_path: Path, last: type[Any]) -> None:
    made: list[Plain] = []

    def make(folder: Path) -> Plain:
        made.append(Plain(folder))
        return made[0]

    steps = (PlannedStep("plain", "step", make=make), step(last, at_end=True))
    if last is Broken:
        with pytest.raises(promptcot.PromptCoTError, match="the disk is full"):
            run(*steps)
        assert not list(tmp_path.iterdir())
    else:
        run(*steps)
    assert [one.closed for one in made] == [1]


def test_a_slow_step_works_in_a_thread_of_its_own(run: Run, tmp_path: Path) -> None:
    threads: set[int] = set()

    class Slow(Held):
        name = "slow"

        def apply(self, row: Row) -> list[Row]:
            threads.add(threading.get_ident())
            return super().apply(row)

        def finish(self) -> Iterator[Row | Dropped]:  # type: ignore[override]
            threads.add(threading.get_ident())
            yield from super().finish()

    run(step(Slow, in_thread=True, at_end=True))
    assert threading.get_ident() not in threads
    assert len(_lines(tmp_path / "out.jsonl")) == 39


class Told(Plain):
    """Interrupted while it receives rows, or while it computes its result; no model is called."""

    name = "told"

    def __init__(self, folder: Path, during: str, stop: Callable[[], None]) -> None:
        super().__init__(folder)
        self.during, self.stop, self.seen = during, stop, 0

    def _work(self, during: str) -> None:
        self.seen += during == self.during
        if self.seen == 1:
            asyncio.get_running_loop().call_soon(self.stop)

    def apply(self, row: Row) -> list[Row]:
        self._work("apply")
        return []

    def finish(self) -> Iterator[Row | Dropped | None]:  # type: ignore[override]
        for _ in range(1000):
            self._work("finish")
            yield None


@pytest.mark.parametrize("during", ["apply", "finish"])
async def test_a_request_to_stop_is_heard_where_no_model_is_asked(during: str, tmp_path: Path) -> None:
    made: list[Told] = []

    def make(folder: Path) -> Told:
        made.append(Told(folder, during, lambda: working.cancel()))
        return made[0]

    rows = [Item(number, {"id": str(number)}) for number in range(1000)]
    job = StepsJob("told", [PlannedStep("told", "step", make=make)], lambda: iter(rows), tmp_path / "out.jsonl")
    working = asyncio.create_task(run_steps(job, Silent()))
    with pytest.raises(asyncio.CancelledError):
        await working
    assert 0 < made[0].seen <= 130
    assert made[0].closed == 1


def test_the_api_gives_what_came_and_what_each_step_left_out(tmp_path: Path) -> None:
    steps = [stage("asked"), step(Odd)]
    found = Job(ROWS, {"journal": tmp_path}).apply("several", steps, {"asked": _engine()})
    assert [row["number"] for row in found] == [number for number in range(1, 40, 2) if number % 5]
    assert (len(found.dropped), len(found.failed)) == (16, 8)
    assert found.counts.balanced
    assert found.counts.rows_in == 40
    assert found.counts.dropped == {"even": 16}
    assert (tmp_path / "several.journal" / "asked.journal" / "calls.jsonl").exists()
