"""The grader: our table of cases, hangs, threads and asyncio."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from promptcot.errors import InputError, PromptCoTError
from promptcot.grading import Grade, Grader, grade_integer
from tests.programs import comes_true

TABLE = Path(__file__).parents[2] / "cases" / "answers.jsonl"
CASES: list[dict[str, Any]] = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").strip().split("\n")]
HANGS = r"\int_0^{\infty} \frac{\sin(x^5) \ln(x)}{e^{x^2}+\sqrt{x}} dx"


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1, limit=20) as one:
        yield one


def test_the_table_is_long_enough_and_says_nothing_twice() -> None:
    assert len(CASES) >= 300
    assert len({(case["gold"], case["pred"]) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['note']}: {case['gold']} | {case['pred']}")
def test_a_case_of_the_table(grader: Grader, case: dict[str, Any]) -> None:
    assert grader.grade(case["gold"], case["pred"]).correct is case["expected"]


def test_strict_sameness_is_symmetric_and_reflexive_on_the_table(grader: Grader) -> None:
    for case in CASES:
        assert grader.same(case["gold"], case["gold"]).correct is True
        if case["pred"].strip():
            assert grader.same(case["pred"], case["pred"]).correct is True
            assert grader.same(case["gold"], case["pred"]) == grader.same(case["pred"], case["gold"])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(r"\sqrt{8}", r"2\sqrt2", True), ("x^2-1", "(x-1)(x+1)", True), (r"\frac{\pi}{2}", "1.5707963267949", False)],
)
def test_strict_sameness_with_algebra(grader: Grader, one: str, other: str, expected: bool) -> None:
    assert grader.same(one, other) == grader.same(other, one) == Grade(expected, "symbolic")


@pytest.mark.parametrize("answer", [None, "", "  "])
def test_no_answer_is_wrong(grader: Grader, answer: str | None) -> None:
    assert grader.grade("7", answer) == grade_integer("7", answer) == Grade(False, "no answer")


def test_how_a_grade_was_found_is_told(grader: Grader) -> None:
    assert grader.grade("7", "007") == grade_integer("7", "007") == Grade(True, "exact")
    assert grader.grade("a+b", "b+a") == Grade(True, "symbolic")
    assert grader.grade("a+b", "b+a" * 3000) == Grade(False, "exact")


@pytest.mark.parametrize("gold", ["", "  ", r"\frac{1}{0", r"\sqrt{"])
def test_a_gold_that_does_not_equal_itself_is_named(grader: Grader, gold: str) -> None:
    with pytest.raises(InputError, match="gold answer"):
        grader.check_gold(gold)


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: str(case["gold"]))
def test_golds_equal_themselves(grader: Grader, case: dict[str, Any]) -> None:
    grader.check_gold(case["gold"])


def test_a_hang_costs_one_pair_and_its_worker_is_replaced() -> None:
    with Grader(workers=1, limit=3) as grader:
        assert grader.grade("a+b", "b+a").correct is True
        [before] = grader.pids
        assert grader.grade("3", HANGS) == Grade(None, "timeout")
        assert before not in grader.pids
        assert len(grader.pids) == 1
        assert grader.grade("a+2b", "2b+a") == Grade(True, "symbolic")


def test_a_hang_is_remembered() -> None:
    with Grader(workers=1, limit=0.5) as grader:
        grader.grade("3", HANGS)
        workers = grader.pids
        assert grader.grade("3", HANGS) == Grade(None, "timeout")
        assert grader.pids == workers, "another worker was lost"


def test_a_worker_that_is_killed_costs_its_pair_only() -> None:
    with Grader(workers=1, limit=30) as grader:
        assert grader.grade("a+b", "b+a").correct is True
        os.kill(grader.pids[0], signal.SIGKILL)
        assert grader.grade("a+3b", "3b+a") == Grade(None, "crash")
        assert grader.grade("a+4b", "4b+a") == Grade(True, "symbolic")


def test_no_process_outlives_the_grader() -> None:
    with Grader(workers=1) as grader:
        grader.grade("a+b", "b+a")
        [pid] = grader.pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(PromptCoTError, match="closed"):
        grader.grade("a+5b", "5b+a")


def test_it_grades_from_many_threads(grader: Grader) -> None:
    pairs = [(f"{i}a+b", f"b+{i % 3}a") for i in range(2, 26)]
    with ThreadPoolExecutor(8) as threads:
        grades = list(threads.map(lambda pair: grader.grade(*pair).correct, pairs))
    assert grades == [i == i % 3 for i in range(2, 26)]


async def test_the_event_loop_goes_on_while_a_pair_hangs() -> None:
    with Grader(workers=1, limit=3) as grader:
        hanging = asyncio.create_task(grader.agrade("3", HANGS))
        await comes_true(lambda: grader.pids)
        assert (await grader.agrade("7", "7")).correct is True
        assert not hanging.done()
        assert await hanging == Grade(None, "timeout")
        assert (await grader.asame("a+b", "b+a")).correct is True


@pytest.mark.parametrize(
    "answer", ["(" * 1500 + "1" + ")" * 1500, r"\frac{1}{" * 200, "\0", "\ud800+x", "\\" * 99, "%$#@!", "\n\n"]
)
def test_nonsense_is_wrong_and_hurts_nobody(grader: Grader, answer: str) -> None:
    assert grader.grade(r"\sqrt{2}", answer).correct is False
    assert grader.grade("a+b", "b+a").correct is True
