"""Traces that call their problem flawed: a table of cases, and phrases that do not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot import domains
from promptcot.core.answers.extraction import extract
from promptcot.core.parsing.phrases import has_one, matcher, needles, plain, sentences
from promptcot.core.parsing.refusals import refusal
from promptcot.core.refusing import Refusal
from tests.programs import computing_at_most

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "cases" / "traces_that_refuse.jsonl").read_text("utf-8").splitlines()
]
PHRASES = domains.settings("math").refusals


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    boxed = extract(case["reply"]).answer
    assert refusal(case["reply"], boxed, case["problem"], PHRASES) == case["reason"]


def test_the_table_is_large_and_half_of_it_refuses_nothing() -> None:
    reasons = Counter(case["reason"] for case in CASES)
    assert len({case["note"] for case in CASES}) == len(CASES) >= 90
    assert reasons[None] >= 45
    assert {*reasons} == {None, *(one.reason for one in PHRASES)}


def test_a_domain_that_says_nothing_takes_the_phrases_of_mathematics() -> None:
    assert domains.settings("nano").refusals == PHRASES


def test_a_domain_may_switch_it_off_or_have_phrases_of_its_own() -> None:
    text = "The puzzle lacks some information."
    assert refusal("The problem as stated is contradictory.", None, "Which door?", ()) is None
    own = Refusal(
        reason="lacks data", said=("puzzle lacks [some] information",), boxed=("unknown",), asked=("or unknown",)
    )
    assert refusal(text, "knight", "Who is Ann?", [own]) == "lacks data"
    assert refusal("So.", "\\text{Unknown}", "Who is Ann?", [own]) == "lacks data"
    assert refusal("So.", "unknown", "Is Ann a knight, a knave, or unknown?", [own]) is None


@given(st.text(), st.text() | st.none(), st.text())
def test_no_text_breaks_it(text: str, boxed: str | None, problem: str) -> None:
    assert refusal(text, boxed, problem, PHRASES) in {None, *(one.reason for one in PHRASES)}


def test_it_takes_time_that_grows_with_the_length() -> None:
    with computing_at_most(20):
        for piece in ("the problem ", "no such ", "a ", ". ", "(", "\\text{", "if the given conditions "):
            refusal(piece * 20_000, None, piece * 20_000, PHRASES)


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("no solution*", "There are no solutions.", True),
        ("no solution", "no solutions", False),
        ("problem [as stated] is (wrong|ill posed)", "the problem is ill  posed", True),
        ("problem [as stated] is (wrong|ill posed)", "the problem as stated is wrong", True),
        ("problem [as stated] is (wrong|ill posed)", "the subproblem is wrong", False),
        ("no such ... exists", "no such pair of integers exists", True),
        ("no such ... exists", "no such pair. another exists", False),
        ("problem ... contradict*", "the problem does not contradict", False),
        ("can not be", "It can't be, it cannot be", True),
    ],
)
def test_a_phrase(phrase: str, text: str, found: bool) -> None:
    pattern = matcher([phrase])
    assert pattern is not None
    assert (pattern.search(plain(text)) is not None) is found


@given(st.lists(st.sampled_from([text for case in CASES for text in sentences(case["reply"])]), max_size=3))
def test_a_text_without_the_needles_of_a_phrase_does_not_say_it(parts: list[str]) -> None:
    text = " ".join(parts)
    for phrases in (one.said for one in PHRASES):
        pattern = matcher(phrases)
        if pattern is not None and pattern.search(plain(text)):
            assert has_one(text.lower(), needles(phrases))


@pytest.mark.parametrize("phrase", ["", " ", "(a", "a)", "[a]", "...", "[a] ...", "a | b", "()"])
def test_a_phrase_that_is_none_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match="is not a phrase"):
        matcher([phrase])


def test_sentences_end_with_their_marks_and_with_paragraphs_and_quoted_lines_are_none() -> None:
    found = sentences("It is 1.5. So\nwhat?\n\n> quoted\n- a list")
    assert list(map(plain, found)) == ["it is 1.5.", "so what?", "- a list"]
