"""Verifiers by name: their verdicts, which of them is used, and errors in custom ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.core.answers.words import plain
from promptcot.errors import InputError
from promptcot.evaluation.registry import BENCHMARKS, grader_of
from promptcot.grading import Grade, Grader, Graders, Verifier
from promptcot.grading.verifiers import SHIPPED
from tests.programs import computing_at_most

CASES = Path(__file__).parents[2] / "cases"
EXACT: list[dict[str, Any]] = list(map(json.loads, (CASES / "exact_answers.jsonl").read_text("utf-8").splitlines()))
OWN = "tests.unit.grading.own_verifiers"


@pytest.mark.parametrize("case", EXACT, ids=lambda case: f"{case['note']}: {case['gold']} | {case['pred']}")
def test_words_are_compared_by_what_is_written(case: dict[str, Any]) -> None:
    exact, gold, answer = SHIPPED["exact"], case["gold"], case["pred"]
    assert exact.grade(gold, answer) is case["expected"]
    assert exact.same(answer, gold) is exact.same(gold, answer) is case["expected"]
    assert plain(plain(gold)) == plain(gold)


@pytest.mark.parametrize(
    "text", ["(" * 20_000, "'" * 20_000, "\\text{" * 5000, "." * 20_000, "!" * 20_000, "a!" * 9000]
)
def test_hostile_words_take_no_time(text: str) -> None:
    with computing_at_most():
        assert not SHIPPED["exact"].grade("knight", text)


@pytest.mark.parametrize("name", [*SHIPPED, f"{OWN}:order"])
def test_every_verifier_keeps_what_the_protocol_promises(name: str) -> None:
    with Grader(workers=1, limit=20, verifier=name) as grader:
        grader.check_gold("12")
        assert grader.grade("12", "12").correct is grader.same("12", "12").correct is True
        assert grader.grade("12", "13").correct is grader.same("13", "12").correct is False
        assert grader.grade("12", None) == grader.grade("12", " ") == Grade(False, "no answer")
        assert asyncio.run(grader.aextract("I do not know.")).answer is None
        with pytest.raises(InputError, match="empty"):
            grader.check_gold(" ")


def test_those_that_ship_are_verifiers_as_users_write_them() -> None:
    assert all(isinstance(verifier, Verifier) for verifier in SHIPPED.values())
    assert all(benchmark.verifier in SHIPPED for benchmark in BENCHMARKS.values())


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("7", "14/2", True), ("7", "7%", False), ("x=7", "7", True), ("1/2", "0.5", True), ("07", "7.0", True)],
)
def test_classes_of_integers_hold_what_is_graded_alike(one: str, other: str, expected: bool) -> None:
    with Grader(workers=1, verifier="integers") as grader:
        assert grader.same(one, other) == grader.same(other, one) == Grade(expected, "exact")
        if "7" in (one, other):
            assert grader.grade("7", one if other == "7" else other).correct is expected


@pytest.mark.parametrize(
    ("named", "default", "source", "expected"),
    [
        (None, "mathematics", "gsm8k", "integers"),
        (None, "exact", "gsm8k", "integers"),
        (None, "exact", "own", "exact"),
        (None, "mathematics", "aime2025", "integers"),
        (None, "mathematics", "math500", "mathematics"),
        ("exact", "mathematics", "gsm8k", "exact"),
    ],
)
def test_what_was_asked_for_judges_else_the_benchmark_else_the_domain(
    named: str | None, default: str, source: str, expected: str
) -> None:
    with Graders(named=named, default=default) as graders:
        assert grader_of(graders, source).verifier == expected
        assert grader_of(graders, source) is grader_of(graders, source)


@pytest.mark.parametrize("name", ["order", "Order", "made"])
def test_an_own_verifier_is_an_object_or_what_makes_one(name: str) -> None:
    with Grader(workers=1, limit=20, verifier=f"{OWN}:{name}") as grader:
        assert grader.grade("Ann, Bob", "Bob Ann") == Grade(True, "own")
        assert grader.same("Bob Ann", "Ann Eve") == Grade(False, "own")
        found = asyncio.run(grader.aextract("So\nTruthful: Ann"))
        assert (found.answer, found.method) == (" Ann", "own")
        assert asyncio.run(grader.aextract("So\nAnn", unboxed=True)).answer == "Ann"
        assert asyncio.run(grader.aextract("So\nAnn")).method == "no answer"
        with pytest.raises(InputError, match=r"'nobody' is refused by .*: somebody tells the truth"):
            grader.check_gold("nobody")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("number", "is int, which is not a verifier: it has no function `extract`"),
        ("Half", "is Half, which is not a verifier: it has no function `grade`"),
        ("Boxes", "`extract` does not accept the arguments of promptcot.Verifier: got an unexpected keyword"),
        ("Waits", "`grade` is a coroutine"),
        ("Needy", "calling it raises TypeError"),
        ("absent", "has no absent"),
    ],
)
def test_what_is_no_verifier_is_told_before_anything_is_asked(name: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        Grader(verifier=f"{OWN}:{name}")
    assert said in str(error.value)
    assert name in str(error.value)


@pytest.mark.parametrize("name", ["exakt", "no.such:Thing", "os:", ":x"])
def test_a_name_that_is_none_says_what_may_stand_there(name: str) -> None:
    with pytest.raises(InputError, match=f"verifier: '{name}'.*(known are 'mathematics'|MODULE:NAME|Python looks)"):
        Graders(named=name)


@pytest.mark.parametrize(
    ("answer", "method"),
    [*((answer, "crash") for answer in ("raises", "dies", "leaves", "eats", "prints", "odd")), ("hangs", "timeout")],
)
def test_what_an_own_verifier_does_over_one_answer_costs_that_answer(answer: str, method: str) -> None:
    with Grader(workers=1, limit=3 if method == "timeout" else 30, verifier=f"{OWN}:Fragile") as grader:
        assert grader.grade("Ann", answer) == Grade(None, method)
        assert grader.grade("Ann", "Ann") == Grade(True, "own")
        [note] = grader.notes
        assert note.startswith(f"{OWN}:Fragile failed in 1 call")
        assert f"first over '{answer}': " in note


def test_a_reply_that_cannot_be_read_is_neither_right_nor_wrong() -> None:
    with Grader(workers=1, limit=20, verifier=f"{OWN}:Fragile") as grader:
        found = asyncio.run(grader.aextract("unreadable"))
        assert (found.answer, found.method, found.lost) == (None, "crash", True)
        assert "cannot read it" in grader.notes[0]


def test_a_mistake_in_the_check_of_a_gold_names_both() -> None:
    with Grader(workers=1, limit=20, verifier=f"{OWN}:Strict") as grader:
        with pytest.raises(InputError, match=f"'Ann' is refused by {OWN}:Strict: TypeError: a mistake"):
            grader.check_gold("Ann")
        assert not grader.takes_gold("Ann")


def test_a_verifier_that_only_the_caller_can_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("only_here")
    module.Order = __import__(OWN, fromlist=["Order"]).Order  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "only_here", module)
    told = r"only_here:Order' cannot be loaded in a separate process: .*only_here"
    with Grader(workers=1, verifier="only_here:Order") as grader, pytest.raises(InputError, match=told):
        grader.grade("Ann", "Ann")


def test_the_version_of_an_own_verifier_follows_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "version_of_mine.py"
    file.write_text(f"from {OWN} import Order\n\n\ndef verifier():\n    return Order()\n")
    with Grader(verifier="version_of_mine:verifier") as grader:
        before = grader.version
        file.write_text(file.read_text() + "# changed\n")
        assert grader.version != before
        assert Grader(verifier="exact").version == "exact"
