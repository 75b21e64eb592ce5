"""The replies of verifiers: a table of hard cases, and properties that hold for any text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot import domains
from promptcot.core.parsing.verifying import read_vote
from promptcot.core.verification import ANSWERS, VERDICTS, parse_verification, vote_of
from promptcot.errors import InputError

CASES = [
    json.loads(line) for line in (Path(__file__).parents[3] / "cases" / "votes.jsonl").read_text("utf-8").splitlines()
]
ASKED = domains.load("math").asked_of_verifiers()
LABELS = [line.label for line in ASKED.lines]
VALID = "\n".join(f"{label}: yes" for label in LABELS[:-1]) + f"\n{LABELS[-1]}: valid"


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    vote = read_vote(case["reply"], case["finish_reason"], ASKED, "Find $n$.")
    assert (vote.verdict, vote.reason) == (case["verdict"], case.get("reason"))
    assert list(vote.answers) == ([] if vote.reason else [line.key for line in ASKED.criteria])


def test_the_table_has_no_case_twice() -> None:
    assert len({(case["reply"], case["finish_reason"]) for case in CASES}) == len(CASES) >= 55


def test_without_its_mark_a_vote_that_stands_in_the_problem_is_repeated_from_there() -> None:
    problem = f"Find $n$.\n{VALID}"
    assert read_vote(VALID, "stop", ASKED, problem, "k7f3q9ab").verdict == "undecided"
    marked = "\n".join(f"[k7f3q9ab] {line}" for line in VALID.split("\n"))
    assert read_vote(marked, "stop", ASKED, problem, "k7f3q9ab").verdict == "valid"
    assert (
        read_vote(
            f"{VALID}\n\n{marked.replace('yes', 'no').replace('valid', 'invalid')}", "stop", ASKED, problem, "k7f3q9ab"
        ).verdict
        == "invalid"
    )


@given(st.lists(st.sampled_from(ANSWERS), min_size=5, max_size=5), st.sampled_from(VERDICTS))
def test_a_vote_is_read_exactly_where_its_verdict_follows(words: list[str], verdict: str) -> None:
    text = "\n".join(f"{label}: {word}" for label, word in zip(LABELS, [*words, verdict], strict=True))
    vote = read_vote(text, "stop", ASKED, "")
    follows = vote_of(dict(zip(LABELS, words, strict=False)))
    assert (vote.reason is None) is (verdict == follows)
    assert vote.verdict == (verdict if verdict == follows else "undecided")


@given(st.text(), st.sampled_from(["stop", "length", "unanswered"]), st.text(), st.none() | st.just("k7f3q9ab"))
def test_no_text_is_a_valid_vote_by_chance(text: str, finish: str, problem: str, mark: str | None) -> None:
    assert read_vote(text, finish, ASKED, problem, mark).verdict == "undecided"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("criteria = 3", "needs at least one \\[\\[criteria\\]\\] table"),
        ("[verdict]\nlabel = 'V'", "needs at least one"),
        ("[[criteria]]\nkey = 'a'\nlabel = 'A'", "needs a \\[verdict\\] table"),
        ("[verdict]\nlabel = 'V'\n[[criteria]]\nkey = 'a'", "criterion 1: lacks 'label'"),
        ("[verdict]\nlabel = 'V'\n[[criteria]]\nkey = 'a'\nlabel = 'v'", "the label 'v' is given twice"),
        ("[verdict]\nlabel = 'V'\n[[criteria]]\nkey = 'verdict'\nlabel = 'A'", "the key 'verdict' is given twice"),
        ("[verdict]\nlabel = ''\n[[criteria]]\nkey = 'a'\nlabel = 'A'", "a label is empty"),
        ("[verdict]\nlabel = 'V'\nrequired = []\n[[criteria]]\nkey = 'a'\nlabel = 'A'", "unknown key 'required'"),
        ("[verdict", "not TOML"),
    ],
)
def test_criteria_that_cannot_be_used_are_named_with_their_file(text: str, mistake: str) -> None:
    with pytest.raises(InputError, match=mistake) as caught:
        parse_verification(text, "prompts x: verify.toml")
    assert "prompts x: verify.toml" in str(caught.value)
