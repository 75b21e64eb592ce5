"""Predictions graded from a file: both formats, interruptions, classes, timeouts, and files that are odd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.errors import InputError
from promptcot.evaluation.grades import grade_file
from promptcot.evaluation.predictions import Graded, PredictionGrader, answer_of
from promptcot.grading import Grade, Grader, Graders
from promptcot.storage.checked import body, intact, sealed
from tests.predicted import boxed, trace, write
from tests.programs import computing_at_most

HANGS = "9^{9^{9^{9}}}"


@pytest.fixture(scope="module")
def graders() -> Iterator[Graders]:
    with Graders(workers=1, limit=20) as one:
        yield one


async def grade(path: Path, graders: Graders, stop_after: int | None = None, **options: Any) -> list[Graded]:
    found: list[Graded] = []
    async with aclosing(PredictionGrader(graders, **options).graded(path)) as graded:
        async for one in graded:
            found.append(one)
            if len(found) == stop_after:
                break
    return found


async def classes(path: Path, graders: Graders) -> list[int | None]:
    """The class of each prediction's answer."""
    judge = PredictionGrader(graders)
    found = [one async for one in judge.graded(path)]
    joined = {key: one.classes for key, one in judge.joined.items()}
    own = range(len(found))
    return [
        None if one.sampled.answer is None else joined.get((one.source, one.problem), own)[one.sampled.answer]
        for one in found
    ]


ROWS = [trace(f"p{number // 6}", answer) for number, answer in enumerate(["1/2", "0.5", "3", "2+1", "x", "1/2"] * 40)]


async def test_answers_of_a_problem_are_in_one_class_when_they_are_the_same(tmp_path: Path, graders: Graders) -> None:
    path = write(tmp_path / "a.jsonl", ROWS[:6])
    assert await classes(path, graders) == [0, 0, 2, 2, 4, 0]
    found = await grade(path, graders)
    assert [one.sampled.correct for one in found] == [True, True, False, False, False, True]


async def test_the_public_format_has_no_samples_so_they_are_counted(tmp_path: Path, graders: Graders) -> None:
    request = "Please reason step by step, and put your final answer within \\boxed{{}}."
    asked = f"<|im_start|>user\nFind it.\n{request}<|im_end|>"
    row = {"prompt": asked, "source": "gsm8k", "reference_solution": "Add. #### 1,234"}
    rows = [{**row, "completion": f"<think>a</think>{boxed(answer)}"} for answer in ("1234", "1234.0", "4")]
    found = await grade(write(tmp_path / "a.jsonl", rows), graders)
    assert [one.sample for one in found] == [0, 1, 2]
    assert [one.sampled.correct for one in found] == [True, True, False]
    assert len({one.problem for one in found}) == 1


async def test_after_an_interruption_the_result_is_the_same_and_nothing_is_graded_again(
    tmp_path: Path, graders: Graders, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await grade(write(tmp_path / "whole.jsonl", ROWS), graders)
    path = write(tmp_path / "a.jsonl", ROWS)
    await grade(path, graders, stop_after=100)
    [state] = (tmp_path / "a.grades").glob("*.jsonl")
    with state.open("ab") as torn:
        torn.write(b'{"correct":tr')
    again = await grade(path, graders)
    assert [one.details() for one in again] == [one.details() for one in whole]
    assert [one.sampled for one in again] == [one.sampled for one in whole]

    async def refuse(*_: object) -> Grade:
        raise AssertionError("this was graded before")

    monkeypatch.setattr(graders.of(), "agrade", refuse)
    assert [one.sampled for one in await grade(path, graders)] == [one.sampled for one in whole]


async def test_a_file_that_changed_is_graded_anew(tmp_path: Path, graders: Graders) -> None:
    path = write(tmp_path / "a.jsonl", [trace("p", "1/2")])
    assert [one.sampled.correct for one in await grade(path, graders)] == [True]
    write(path, [trace("p", "999")])
    assert [one.sampled.correct for one in await grade(path, graders)] == [False]


def _swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[-1], *lines[1:-1], lines[0]]


STATE: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "swapped lines": _swapped,
    "doubled lines": lambda lines: lines * 2,
    "lost lines": lambda lines: lines[::2],
    "a hole": lambda lines: [lines[0], bytes(30) + lines[1][30:], *lines[2:]],
    "another verdict": lambda lines: [line.replace(b"true", b"false") for line in lines],
    "another answer": lambda lines: [line.replace(b'"answer":"3"', b'"answer":"1/2"') for line in lines],
    "no checksums": lambda lines: [body(line) + b"}\n" for line in lines],
    "lines of other files": lambda lines: [sealed(b'{"step":1}\n'), sealed(b'{"key":"0","text":""}\n'), *lines],
    "other JSON": lambda lines: [b"[]\n", b"{}\n", b"7\n", *lines[3:]],
    "the grades of other problems": lambda lines: [
        sealed(body(line).replace(b'"id":"p', b'"id":"q').replace(b"false", b"true") + b"}\n")
        for line in lines
        if b'"id"' in line
    ],
}


@pytest.mark.parametrize("damage", STATE.values(), ids=STATE.keys())
async def test_what_becomes_of_the_kept_grades_changes_no_grade(
    tmp_path: Path, graders: Graders, damage: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    right = await grade(path, graders)
    [state] = (tmp_path / "a.grades").glob("*.jsonl")
    state.write_bytes(b"".join(damage(state.read_bytes().splitlines(keepends=True))))
    assert [one.sampled for one in await grade(path, graders)] == [one.sampled for one in right]
    assert all(map(intact, state.read_bytes().splitlines(keepends=True)))


async def test_damaged_grades_are_told_once(tmp_path: Path, graders: Graders) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    await grade(path, graders)
    [state] = (tmp_path / "a.grades").glob("*.jsonl")
    state.write_bytes(b"\0" + state.read_bytes())
    told = []
    for _ in range(2):
        judge = PredictionGrader(graders)
        async with aclosing(judge.graded(path)) as graded:
            [one async for one in graded]
        told.append(judge.notes)
    assert told == [
        [f"{tmp_path / 'a.grades'}: 1 damaged line was skipped; their answers are graded again"],
        [],
    ]


async def test_a_row_that_changed_in_the_middle_is_graded_anew_though_size_and_time_did_not(
    tmp_path: Path, graders: Graders
) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    before, told = await grade(path, graders), path.stat()
    changed = [dict(row) for row in ROWS]
    changed[60]["completion"] = changed[60]["completion"].replace("1/2", "1/3")
    os.utime(write(path, changed), ns=(told.st_atime_ns, told.st_mtime_ns))
    after = await grade(path, graders)
    assert path.stat().st_size == told.st_size
    differ = [place for place, (one, two) in enumerate(zip(before, after, strict=True)) if one.sampled != two.sampled]
    assert differ[0] == 60
    assert after[60].sampled.correct is False


async def test_a_timeout_is_neither_right_nor_wrong_and_costs_one_pair(tmp_path: Path) -> None:
    class Slow(Grader):
        async def agrade(self, gold: str, answer: str | None) -> Grade:
            return Grade(None, "timeout") if answer == "slow" else await super().agrade(gold, answer)

        async def asame(self, one: str, other: str) -> Grade:
            return Grade(None, "timeout") if "slow" in (one, other) else await super().asame(one, other)

    rows = [trace("p", answer) for answer in ("1/2", "slow", "0.5", "slow")]

    class Slows(Graders):
        def of(self, benchmark: str | None = None) -> Grader:
            return self.one

        one = Slow(workers=1, limit=20)

    with Slows() as slow, slow.one:
        found = await grade(write(tmp_path / "a.jsonl", rows), slow)
        assert await classes(tmp_path / "a.jsonl", slow) == [0, 1, 0, 1]
    assert [one.sampled.correct for one in found] == [True, None, True, None]
    assert [one.method for one in found].count("timeout") == 2


async def test_a_hostile_answer_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    rows = [trace("p", HANGS, gold="x^2+1"), trace("q", "1/2")]
    with Graders(workers=1, limit=3) as graders:
        found = await grade(write(tmp_path / "a.jsonl", rows), graders)
    assert found[0].sampled.correct is not True
    assert found[1].sampled.correct is True


async def test_golds_may_come_from_a_benchmark(tmp_path: Path, graders: Graders) -> None:
    row = {"id": "a", "source": "own", "completion": boxed("7")}
    found = await grade(write(tmp_path / "a.jsonl", [row]), graders, golds={("own", "a"): "7"})
    assert found[0].sampled.correct is True


async def test_a_completion_of_a_megabyte_is_graded(tmp_path: Path, graders: Graders) -> None:
    text = "<think>" + "so \\frac{1}{2} {" * 70_000 + "</think>" + boxed("1/2")
    assert len(text) > 1_000_000
    path = write(
        tmp_path / "a.jsonl", [trace("p", "", completion=text), trace("q", "", completion=boxed("1" * 1_000_000))]
    )
    with computing_at_most():
        found = await grade(path, graders)
    assert [one.sampled.correct for one in found] == [True, False]


def test_invalid_utf_8_is_named_by_its_line(tmp_path: Path, graders: Graders) -> None:
    path = write(tmp_path / "a.jsonl", [trace("p", "1/2")])
    with path.open("ab") as file:
        file.write(b'{"id": "b", "source": "own", "completion": "\xff\xfe"}\n')
    with pytest.raises(InputError, match=r"line 2: not JSON"):
        asyncio.run(grade(path, graders))


async def test_a_lone_surrogate_is_text_like_any_other(tmp_path: Path, graders: Graders) -> None:
    found = await grade(write(tmp_path / "a.jsonl", [trace("p", "", completion="\ud800 " + boxed("1/2"))]), graders)
    assert found[0].sampled.correct is True


def test_an_empty_file_gives_not_available_and_never_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    assert main(["grade", "--output_path", str(path)]) == 0
    said = capsys.readouterr().out
    assert "n/a" in said
    assert "0.0" not in said


OPENED = "Find x. Assistant: <think>\n"


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"prompt": OPENED, "completion": "Maybe \\boxed{7}? wait"}, None),
        ({"prompt": OPENED, "completion": "Maybe \\boxed{7}. </think> \\boxed{8}"}, "8"),
        ({"prompt": "Find x.", "completion": "\\boxed{7}", "malformed": "thinking not closed"}, None),
        ({"prompt": "Find x.", "completion": "\\boxed{7}"}, "7"),
    ],
)
async def test_thinking_that_was_never_closed_has_no_answer(
    graders: Graders, row: dict[str, str], answer: str | None
) -> None:
    assert (await answer_of(graders.of(), row, "here")).answer == answer


async def test_what_one_source_was_compared_by_says_nothing_of_another(tmp_path: Path, graders: Graders) -> None:
    """As mathematics 7 % may be a note of 7; for whole numbers it is another answer, whichever source comes first."""
    answers = ["7", r"7\%"]
    by_source = {
        source: [trace("p", answer, gold="7", source=source) for answer in answers] for source in ("own", "gsm8k")
    }
    for order in (["own", "gsm8k"], ["gsm8k", "own"]):
        path = write(tmp_path / f"{order[0]}.jsonl", [row for source in order for row in by_source[source]])
        for _ in range(2):
            found = await grade(path, graders)
            own, integers = (slice(0, 2), slice(2, 4)) if order[0] == "own" else (slice(2, 4), slice(0, 2))
            assert (await classes(path, graders))[own] == [0, 0]
            assert (await classes(path, graders))[integers] == [0, 1]
            assert [one.sampled.correct for one in found[integers]] == [True, False]


CHOICE = r"\textbf{(C)}\ 12"


@pytest.mark.parametrize(
    ("gold", "right", "majority"),
    [("C", 4, 1.0), ("12", 3, 1.0), ("(C) 12", 5, 1.0), ("(C) 13", 2, 0.0), ("B", 0, 0.0), ("13", 0, 0.0)],
)
async def test_a_majority_counts_a_choice_its_letter_and_its_value_together(
    tmp_path: Path, graders: Graders, gold: str, right: int, majority: float
) -> None:
    """Each alone would lose against the three that say 14. What each is worth is as it was: 12 is wrong by gold C."""
    answers = ["C", "C", CHOICE, CHOICE, "12", "14", "14", "14"]
    path = write(tmp_path / "a.jsonl", [trace("p", answer, gold=gold) for answer in answers])
    found = await grade_file(path, graders, {}, ks=[1, 8])
    [summary] = found.summaries
    assert summary.accuracy.mean == right / 8
    assert summary.pass_at[1].estimate.mean == float(right > 0)
    assert [one.estimate.mean for one in summary.majority_at][1] == majority
