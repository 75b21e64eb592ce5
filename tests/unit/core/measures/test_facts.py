"""Facts read from rows of any origin; unreadable values count as missing."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.measures.facts import Facts, facts_of

NOTHING = Facts("", None, (), None, {}, None, None, False, None)


@pytest.mark.parametrize(
    ("row", "field", "expected"),
    [
        ({"problem": "What is 2 + 2?"}, "text", "What is 2 + 2?"),
        ({"prompt": "<｜User｜>Count.<｜Assistant｜>"}, "text", "Count."),
        ({"problem": "x" * 100_000}, "text", "x" * 20_000),
        ({"problem": ["a list"]}, "text", ""),
        ({"level": "AIME"}, "level", "AIME"),
        ({"level": 5}, "level", "5"),
        ({"level": " "}, "level", None),
        ({"level": ["AIME"]}, "level", None),
        ({"foundational_concepts": ["a", "b", "a", "", 7]}, "concepts", ("a", "b")),
        ({"concepts": ["a"]}, "concepts", ("a",)),
        ({"concepts": "a"}, "concepts", ()),
        ({"pass_rate": 0.25}, "rate", 0.25),
        ({"pass_rate": 1}, "rate", 1.0),
        ({"pass_rate": 25}, "rate", None),
        ({"pass_rate": True}, "rate", None),
        ({"pass_rate": float("nan")}, "rate", None),
        ({"pass_rate": 0.5, "n": 4, "model": "m"}, "rates", {"m": 0.5}),
        ({"models": {"m": {"pass_rate": 0.5, "n": 4}, "k": {"pass_rate": None, "n": 4}}}, "rates", {"m": 0.5}),
        ({"models": {"m": 5}}, "rates", {}),
        ({"validity": {"verdict": "valid", "share": 1.0}}, "verdict", "valid"),
        ({"validity": "undecided"}, "verdict", "undecided"),
        ({"validity": None}, "verdict", None),
        ({"validity": "rather good"}, "verdict", None),
        ({"validity": {"verdict": ["valid"]}}, "verdict", None),
        ({"label": "4"}, "labelled", True),
        ({"answer": "4"}, "labelled", True),
        ({"reference_solution": "so #### 4"}, "labelled", True),
        ({"answer": None, "label": None}, "labelled", False),
    ],
)
def test_what_a_row_says(row: dict[str, Any], field: str, expected: object) -> None:
    assert getattr(facts_of(row), field) == expected


def test_an_empty_row_says_nothing() -> None:
    assert facts_of({}) == NOTHING
