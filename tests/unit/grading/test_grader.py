"""The grader: our table of cases, hangs, threads and asyncio."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from promptcot.core.answers.extraction import extract
from promptcot.errors import InputError, PromptCoTError
from promptcot.grading import Grade, Grader
from tests.answers import answer_cases, families, readings, table
from tests.programs import comes_true

CASES = answer_cases()
ALGEBRA = (r"\sin(a+b)", r"\sin(b+a)")
HANGS = r"\int_0^{\infty} \frac{\sin(x^5) \ln(x)}{e^{x^2}+\sqrt{x}} dx"


@pytest.fixture(scope="module")
def integers() -> Iterator[Grader]:
    with Grader(workers=1, limit=20, verifier="integers") as one:
        yield one


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=1, limit=20) as one:
        yield one


def test_the_table_is_long_enough_and_says_nothing_twice() -> None:
    assert len(CASES) >= 900
    assert len({(case["gold"], case["pred"]) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("gold", dict.fromkeys(case["gold"] for case in CASES))
def test_the_answers_to_a_gold_of_the_tables(grader: Grader, gold: str) -> None:
    cases = [case for case in CASES if case["gold"] == gold]
    assert [case for case in cases if grader.grade(gold, case["pred"]).correct is not case["expected"]] == []


@pytest.mark.parametrize("texts", families(CASES)[::3], ids=lambda texts: str(texts[0]))
def test_same_is_right_both_ways(grader: Grader, texts: list[str]) -> None:
    """Over all pairs of a gold and its answers; `benchmarks/answers.py` takes all pairs of all tables."""
    for one, other in readings(texts):
        both = [grader.grade(one, other).correct, grader.grade(other, one).correct]
        assert grader.same(one, other).correct == grader.same(other, one).correct
        assert grader.same(one, other).correct is (both == [True, True]), (one, other)


@pytest.mark.parametrize("texts", families(CASES), ids=lambda texts: str(texts[0]))
def test_every_answer_is_the_same_as_itself(grader: Grader, texts: list[str]) -> None:
    assert [text for text in texts if text.strip() and not grader.same(text, text).correct] == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (r"\sin^2 x", r"1-\cos^2 x", True),
        (r"\sin x", r"\cos x", False),
        (r"\frac{\pi}{2}", "1.5707963267949", True),
        (r"\sin 1", "0.8415", False),
    ],
)
def test_sameness_with_algebra(grader: Grader, one: str, other: str, expected: bool) -> None:
    assert grader.same(one, other) == grader.same(other, one) == Grade(expected, "symbolic")


@pytest.mark.parametrize("answer", [None, "", "  "])
def test_no_answer_is_wrong(grader: Grader, integers: Grader, answer: str | None) -> None:
    assert grader.grade("7", answer) == integers.grade("7", answer) == Grade(False, "no answer")


def test_how_a_grade_was_found_is_told(grader: Grader, integers: Grader) -> None:
    assert grader.grade("7", "007") == integers.grade("7", "007") == Grade(True, "exact")
    assert grader.grade(*ALGEBRA) == Grade(True, "symbolic")
    assert grader.grade("a+b", "b+a" * 3000) == Grade(False, "exact")


@pytest.mark.parametrize("gold", ["", "  ", r"\frac{1}{0", r"\sqrt{"])
def test_a_gold_that_does_not_equal_itself_is_named(grader: Grader, gold: str) -> None:
    with pytest.raises(InputError, match="gold answer"):
        grader.check_gold(gold)


def test_a_long_gold_is_named_by_its_beginning(grader: Grader) -> None:
    with pytest.raises(InputError) as raised:
        grader.check_gold(r"\frac{1}{" + "0" * 5000)
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("case", CASES[::7], ids=lambda case: str(case["gold"]))
def test_golds_equal_themselves(grader: Grader, case: dict[str, Any]) -> None:
    grader.check_gold(case["gold"])


def test_a_hang_costs_one_pair_and_its_worker_is_replaced() -> None:
    with Grader(workers=1, limit=3) as grader:
        assert grader.grade(*ALGEBRA).correct is True
        [before] = grader.pids
        assert grader.grade("3", HANGS) == Grade(None, "timeout")
        assert before not in grader.pids
        assert len(grader.pids) == 1
        assert grader.grade(r"\sin(a+2b)", r"\sin(2b+a)") == Grade(True, "symbolic")


def test_a_hang_is_remembered() -> None:
    with Grader(workers=1, limit=0.5) as grader:
        grader.grade("3", HANGS)
        workers = grader.pids
        assert grader.grade("3", HANGS) == Grade(None, "timeout")
        assert grader.pids == workers, "another worker was lost"


def test_a_worker_that_is_killed_costs_its_pair_only() -> None:
    with Grader(workers=1, limit=30) as grader:
        assert grader.grade(*ALGEBRA).correct is True
        os.kill(grader.pids[0], signal.SIGKILL)
        assert grader.grade(r"\sin(a+3b)", r"\sin(3b+a)") == Grade(None, "crash")
        assert grader.grade(r"\sin(a+4b)", r"\sin(4b+a)") == Grade(True, "symbolic")


def test_no_process_outlives_the_grader() -> None:
    with Grader(workers=1) as grader:
        grader.grade(*ALGEBRA)
        [pid] = grader.pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(PromptCoTError, match="closed"):
        grader.grade(r"\sin(a+5b)", r"\sin(5b+a)")


def test_it_grades_from_many_threads(grader: Grader) -> None:
    pairs = [(rf"\sin({i}a+b)", rf"\sin(b+{i % 3}a)") for i in range(2, 26)]
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
        assert (await grader.asame(*ALGEBRA)).correct is True


@pytest.mark.parametrize(
    "answer", ["(" * 1500 + "1" + ")" * 1500, r"\frac{1}{" * 200, "\0", "\ud800+x", "\\" * 99, "%$#@!", "\n\n"]
)
def test_nonsense_is_wrong_and_hurts_nobody(grader: Grader, answer: str) -> None:
    assert grader.grade(r"\sqrt{2}", answer).correct is False
    assert grader.grade(*ALGEBRA).correct is True


@pytest.mark.parametrize("case", table("completions"), ids=lambda case: f"{case['gold']} | {case['completion'][:60]}")
def test_the_answer_of_a_completion_is_found_and_graded(grader: Grader, case: dict[str, Any]) -> None:
    answer = extract(case["completion"], unboxed=True).answer
    assert grader.grade(case["gold"], answer).correct is case["expected"], answer
