"""A row on which a stage's code fails is dropped alone, and read again when the code is fixed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import InputError, StageFault, StorageError, SystematicFailure
from promptcot.pipeline.job import Ask, StageJob
from promptcot.recipe.schema import Model
from promptcot.records import Completion, Drop, Failed, Item, Message, Outcome, Request, Retry, Row, derive_seed
from promptcot.runners.local import LocalRunner
from promptcot.stages import called
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal

RAISES: list[tuple[BaseException, str]] = [
    (KeyError("title"), "KeyError: 'title'"),
    (RecursionError("too deep"), "RecursionError: too deep"),
    (MemoryError(), "MemoryError"),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no letter"), "UnicodeEncodeError"),
    (OverflowError("too large"), "OverflowError: too large"),
    (InputError("no gold"), "InputError: no gold"),
]


class Brittle:
    """A custom stage that fails on some rows; the row says where, and with which error."""

    name = "brittle"
    error: BaseException = KeyError("title")

    def __init__(self, *, mended: bool = False) -> None:
        self._mended = mended

    def _fails(self, row: Row, where: str) -> Any:
        if row.get(where) and not self._mended:
            raise self.error
        return row

    def ask(self, row: Row) -> Sequence[Request]:
        self._fails(row, "ask")
        return [Request(prompt=f"about {row['id']}", seed=derive_seed(0, row["id"]))]

    def read(self, row: Row, replies: Sequence[Completion]) -> Any:
        if row.get("nonsense") and not self._mended:
            return "a text"
        return [self._fails(row, "read") | {"completion": replies[0].text}]

    def unusable(self, row: Row) -> str | None:
        self._fails(row, "tell")
        return None


async def items(rows: Sequence[Row]) -> AsyncIterator[Item]:
    for index, row in enumerate(rows):
        yield Item(index, {"id": str(index), **row})


async def run(folder: Path, rows: Sequence[Row], stage: Brittle) -> tuple[list[Outcome], StageCounts]:
    counts = StageCounts("brittle")
    with Journal(folder / "brittle.journal") as journal:
        engine = ScriptedEngine(lambda request: request.prompt)
        outcomes = [one async for one in LocalRunner(4).run(stage, items(rows), engine, journal, counts)]
    return outcomes, counts


@pytest.mark.parametrize("where", ["read", "tell"])
@pytest.mark.parametrize(("error", "words"), RAISES, ids=[type(one[0]).__name__ for one in RAISES])
async def test_what_a_reader_raises_is_that_rows_drop_with_its_text(
    tmp_path: Path, error: BaseException, words: str, where: str
) -> None:
    stage = Brittle()
    stage.error = error
    outcomes, _ = await run(tmp_path, [{}, {where: True}, {}], stage)
    found = outcomes[1].result
    assert isinstance(found, Drop)
    assert found.reason.startswith(f"reader failed: {words}")
    assert list(found.raw) == ["about 1"]
    assert [isinstance(outcome.result, list) for outcome in outcomes] == [True, False, True]


async def test_what_may_not_be_returned_is_that_rows_drop_too(tmp_path: Path) -> None:
    outcomes, _ = await run(tmp_path, [{}, {"nonsense": True}], Brittle())
    assert isinstance(outcomes[1].result, Drop)
    assert outcomes[1].result.reason.startswith("reader failed: returned str; expected a list of rows")


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def nested(depth: int) -> Row:
    row: Row = {}
    for _ in range(depth):
        row = {"x": row}
    return row


NO_ROWS: list[tuple[Any, str]] = [
    ([{"x": {1}}], "TypeError: Object of type set is not JSON serializable"),
    ([{"x": b"a"}], "TypeError: Object of type bytes is not JSON serializable"),
    ([nested(205)], "it is nested more than 200 deep"),
    ([nested(5_000)], "RecursionError"),
    (Retry("x", [{"x": {1}}]), "TypeError: Object of type set is not JSON serializable"),
    (Drop("x", [b"a"]), "returned Drop; expected"),  # type: ignore[list-item]
    (Drop("x", 5), "returned Drop; expected"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("made", "words"), NO_ROWS)
async def test_what_no_file_can_hold_is_that_rows_drop(tmp_path: Path, made: Any, words: str) -> None:
    class Odd(Brittle):
        def read(self, row: Row, replies: Sequence[Completion]) -> Any:
            return made if row.get("odd") else super().read(row, replies)

    outcomes, _ = await run(tmp_path, [{}, {"odd": True}, {}], Odd())
    found = outcomes[1].result
    assert isinstance(found, Drop)
    assert found.reason.startswith("reader failed: ")
    assert words in found.reason
    assert list(found.raw) == ["about 1"]
    assert [isinstance(outcome.result, list) for outcome in outcomes] == [True, False, True]


NO_REQUESTS: list[dict[str, Any]] = [
    {"prompt": b"x"},
    {"prompt": 5},
    {"prompt": "x", "seed": "a"},
    {"prompt": "x", "sampling": None},
    {"messages": 5},
    {"messages": [{"role": "user", "content": "x"}]},
    {"messages": (Message("user", b"x"),)},  # type: ignore[arg-type]
]


@pytest.mark.parametrize("told", NO_REQUESTS, ids=repr)
async def test_a_request_that_holds_something_else_is_that_rows_failure(tmp_path: Path, told: dict[str, Any]) -> None:
    class Odd(Brittle):
        def ask(self, row: Row) -> Sequence[Request]:
            return [Request(**told)] if row.get("odd") else super().ask(row)

    outcomes, counts = await run(tmp_path, [{}, {"odd": True}, {}], Odd())
    assert isinstance(outcomes[1].result, Failed)
    assert "expected a list of promptcot.Request, with text and numbers in it" in outcomes[1].result.message
    assert counts.calls == 2


STEP_FAILS: list[tuple[Any, str]] = [
    ([{"x": {1}}], "returned a value that cannot be written as JSON: TypeError"),
    (TimeoutError("nobody answers"), "raised TimeoutError: nobody answers"),
    (Wordless(), "raised Wordless"),
]


@pytest.mark.parametrize(("made", "words"), STEP_FAILS)
def test_what_a_step_makes_that_no_file_can_hold_and_what_it_raises_are_of_that_row(made: Any, words: str) -> None:
    class Odd:
        name = "odd"

        def apply(self, row: Row) -> Any:
            if isinstance(made, Exception):
                raise made
            return made

        def finish(self) -> Sequence[Row]:
            return []

    with pytest.raises(StageFault) as why:
        called.apply(Odd(), {"id": "1"})
    assert words in why.value.what


async def test_a_row_over_which_a_stage_fails_before_it_asks_has_failed(tmp_path: Path) -> None:
    outcomes, counts = await run(tmp_path, [{}, {"ask": True}, {}], Brittle())
    assert isinstance(outcomes[1].result, Failed)
    assert outcomes[1].result.cause == "ask failed"
    assert "raised KeyError: 'title' (test_faults.py, line " in outcomes[1].result.message
    assert counts.calls == 2


async def test_with_mended_code_such_rows_are_read_again_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    rows = [{"read": number % 12 == 3} for number in range(48)]
    _, before = await run(tmp_path, rows, Brittle())
    outcomes, after = await run(tmp_path, rows, Brittle(mended=True))
    assert (before.calls, after.calls, after.reused) == (48, 0, 48)
    assert all(isinstance(outcome.result, list) for outcome in outcomes)


@pytest.mark.parametrize("where", ["ask", "read"])
async def test_a_stage_that_always_fails_stops_at_the_20th_row_and_says_where(tmp_path: Path, where: str) -> None:
    rows: list[Row] = [{where: True}] * 300
    with pytest.raises(SystematicFailure, match=r"failed for 20 of the first 20 rows \(KeyError: 'title': 20\)") as why:
        await run(tmp_path, rows, Brittle())
    assert f"`{where}` failed for row " in str(why.value)
    assert "test_faults.py, line " in str(why.value)
    assert "run the same command again" in str(why.value)
    _, counts = await run(tmp_path, rows, Brittle(mended=True))
    assert counts.calls == 300 - counts.reused
    assert counts.reused <= 40


async def test_more_than_a_tenth_of_the_rows_stop_the_stage_and_a_tenth_does_not(tmp_path: Path) -> None:
    _, counts = await run(tmp_path / "few", [{"read": number % 10 == 9} for number in range(400)], Brittle())
    assert counts.calls == 400
    with pytest.raises(SystematicFailure, match="of the first"):
        await run(tmp_path / "many", [{"read": number % 5 == 4} for number in range(400)], Brittle())


@pytest.mark.parametrize("error", [StorageError("the disk is full"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def test_what_is_not_one_rows_affair_is_no_drop(error: BaseException) -> None:
    stage = Brittle()
    stage.error = error
    with pytest.raises(type(error)):
        called.read(stage, {"id": "1", "read": True}, [Completion("x")])


ASKED: list[tuple[str, list[Row], type[Exception] | None]] = [
    ("over the first row alone", [{"ask": True}, {}, {"ask": True}], None),
    ("over all rows", [{"ask": True}] * 3, StageFault),
    ("over the first 20 rows", [*[{"ask": True}] * 20, {}], StageFault),
    ("over 19 rows", [*[{"ask": True}] * 19, {}], None),
]


@pytest.mark.parametrize(("rows", "error"), [one[1:] for one in ASKED], ids=[one[0] for one in ASKED])
def test_a_stage_that_cannot_ask_is_found_before_a_model_is_loaded(
    rows: list[Row], error: type[Exception] | None
) -> None:
    numbered = [Item(index, {"id": str(index), **row}) for index, row in enumerate(rows)]
    job = StageJob(
        "brittle", [Ask(Brittle(), Model(model="m"), "generator", lambda: iter(numbered))], Path("out.jsonl")
    )
    if error is None:
        assert job.count_items() == len(rows)
    else:
        with pytest.raises(error, match="`ask` failed for row 0"):
            job.count_items()
