"""Predictions that cannot be graded: which rows are left out, where they are written, and the messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main
from promptcot.errors import InputError
from promptcot.evaluation.golds import Problems
from promptcot.evaluation.grades import golds_of
from promptcot.evaluation.predictions import PredictionGrader
from promptcot.grading import Grader, Graders
from tests.predicted import boxed, trace, write


@pytest.fixture(scope="module")
def graders() -> Iterator[Graders]:
    with Graders(workers=1, limit=20) as one:
        yield one


async def grade(path: Path, graders: Graders, **options: Any) -> int:
    return len([one async for one in PredictionGrader(graders, **options).graded(path)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "answer": "1", "completion": "x"}, "row 2.*source"),
        ({"id": "a", "answer": "1", "source": "own"}, "row 2.*completion"),
        ({"id": "a", "source": "own", "completion": boxed("1")}, "row 2.*no gold"),
        ({"source": "own", "answer": "1", "completion": boxed("1")}, "row 2.*`problem`"),
    ],
)
async def test_a_row_that_is_no_prediction_is_named(
    tmp_path: Path, graders: Graders, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message.replace("row 2", "row 1")):
        await grade(write(tmp_path / "first.jsonl", [row, trace("p", "1/2")]), graders)
    judge = PredictionGrader(graders)
    path = write(tmp_path / "a.jsonl", [trace("p", "1/2"), row, trace("q", "1/2")])
    assert [one.problem async for one in judge.graded(path)] == ["p", "q"]
    assert judge.unfit == 1
    note, where = judge.notes
    assert re.search(f"1 row could not be graded and is left out of all numbers: .*{message}", note)
    left_out = tmp_path / "a.grades.failed.jsonl"
    assert where == f"rows that could not be graded: {left_out}"
    [failed] = map(json.loads, left_out.read_text().splitlines())
    assert failed == {**row, "cause": "unfit", "error": failed["error"]}
    assert re.search(message, failed["error"])


@pytest.mark.parametrize("place", range(3))
async def test_a_gold_that_is_refused_costs_its_rows_wherever_they_stand(
    tmp_path: Path, graders: Graders, place: int
) -> None:
    rows = [trace("p", "1/2"), trace("q", "1/2")]
    gold = "\\frac{1}{" + "0" * 5000
    rows[place:place] = [trace("bad", "1", gold=gold), trace("bad", "1", gold=gold, completion="no box")]
    judge = PredictionGrader(graders)
    path = write(tmp_path / "a.jsonl", rows)
    assert [one.problem async for one in judge.graded(path)] == ["p", "q"]
    assert judge.unfit == 2
    assert f"row {place + 1}: the gold answer " in judge.notes[0]
    assert len(judge.notes[0]) < 400 + len(str(path))
    failed = [json.loads(line) for line in (tmp_path / "a.grades.failed.jsonl").read_text().splitlines()]
    assert [(row["completion"], row["cause"]) for row in failed] == [
        (boxed("1"), "refused gold"),
        ("no box", "refused gold"),
    ]
    with pytest.raises(InputError, match=f"row {place + 1}: the gold answer"):
        await grade(path, graders, strict=True)


async def test_predictions_of_a_benchmark_row_whose_gold_is_refused_are_left_out(
    tmp_path: Path, graders: Graders
) -> None:
    golds = [
        {"id": name, "source": "own", "problem": name, "answer": gold} for name, gold in (("p", "\\frac{"), ("q", "2"))
    ]
    found = golds_of(str(write(tmp_path / "golds.jsonl", golds)), graders, Problems(graders))
    rows = [{key: one[key] for key in one if key != "answer"} for one in (trace("p", "1"), trace("q", "2"))]
    judge = PredictionGrader(graders, found)
    path = write(tmp_path / "a.jsonl", rows)
    assert [one.problem async for one in judge.graded(path)] == ["q"]
    assert judge.unfit == 1


async def test_what_a_library_raises_over_one_row_costs_that_row(
    tmp_path: Path, graders: Graders, monkeypatch: pytest.MonkeyPatch
) -> None:
    extracted = Grader.aextract

    async def fails(grader: Grader, reply: str, **options: Any) -> Any:
        if "9" in reply:
            raise ZeroDivisionError("odd text")
        return await extracted(grader, reply, **options)

    monkeypatch.setattr(Grader, "aextract", fails)
    path = write(tmp_path / "a.jsonl", [trace("p", "1/2"), trace("q", "9"), trace("r", "1/2"), trace("s", "9")])
    judge = PredictionGrader(graders)
    assert [one.problem async for one in judge.graded(path)] == ["p", "r"]
    assert "2 rows could not be graded" in judge.notes[0]
    assert "row 2: ZeroDivisionError: odd text" in judge.notes[0]
    with pytest.raises(InputError, match="row 1: ZeroDivisionError"):
        await grade(write(tmp_path / "b.jsonl", [trace("q", "9")]), graders)


def test_rows_that_cannot_be_graded_are_told_and_the_exit_code_is_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [trace("p", "1/2"), trace("q", "1", gold=True), trace("r", "1/2"), {**trace("s", "1"), "completion": 7}]
    path = write(tmp_path / "a.jsonl", rows)
    assert main(["grade", "--output-path", str(path), "--details", str(tmp_path / "details.jsonl")]) == 3
    shown = capsys.readouterr().out
    assert "2 rows could not be graded and are left out of all numbers, for example " in shown
    assert "row 2: the gold in `answer` is true" in shown
    assert "2 problems, 2 samples" in shown
    assert json.loads((tmp_path / "a.grades.json").read_text())["unfit"] == 2
    assert len((tmp_path / "details.jsonl").read_text().splitlines()) == 2
    assert promptcot.grade(path).unfit == 2
    assert main(["grade", "--output-path", str(path), "--strict"]) == 1
    assert "row 2: the gold in `answer` is true" in capsys.readouterr().err
    with pytest.raises(InputError, match="row 2"):
        promptcot.grade(path, strict=True)
    assert len((tmp_path / "a.grades.failed.jsonl").read_text().splitlines()) == 2
    write(path, rows[:1])
    assert main(["grade", "--output-path", str(path)]) == 0
    assert not (tmp_path / "a.grades.failed.jsonl").exists()


def test_where_no_row_can_be_graded_the_exit_code_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = write(tmp_path / "bad.jsonl", [trace(name, "1", gold=r"\frac{") for name in "pq"])
    good = write(tmp_path / "good.jsonl", [trace("p", "1", gold="1")])
    empty = write(tmp_path / "empty.jsonl", [])
    assert main(["grade", "--output-path", str(bad)]) == 1
    assert "no predictions, so accuracy is n/a" in capsys.readouterr().out
    assert main(["grade", "--output-path", str(good)]) == 0
    assert main(["grade", "--output-path", str(empty)]) == 0
