"""Golds as data sets write them: texts, numbers and lists are read, and anything else is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.golds import gold_text
from promptcot.core.problems import gold_of
from promptcot.errors import InputError

READ: list[tuple[Any, str]] = [
    (" 1/2 ", "1/2"),
    (204, "204"),
    (204.0, "204"),
    (0.5, "0.5"),
    (10**25, str(10**25)),
    (["3"], "3"),
    ([3], "3"),
    ([r"\frac{1}{2}", "3"], r"\frac{1}{2}, 3"),
    (["(1, 2)", "(3, 4)"], "(1, 2), (3, 4)"),
    (["1,234", "$5$"], "1234, $5$"),
    (["2,3"], "2,3"),
    ([["1"], 2], "1, 2"),
    ('["1", "2"]', "1, 2"),
    (r'["\\frac{1}{2}"]', r"\frac{1}{2}"),
    ("['24']", "24"),
    ("[1, 2]", "[1, 2]"),
    ('["1,234", "5"]', "1234, 5"),
    ("{1, 2}", "{1, 2}"),
    ("true", "true"),
]


@pytest.mark.parametrize(("gold", "text"), READ)
def test_a_gold_is_read_as_it_was_meant(gold: Any, text: str) -> None:
    assert gold_text(gold, "the gold") == text


REFUSED: list[tuple[Any, str]] = [
    (True, "the gold is true"),
    (False, "the gold is false"),
    ([True], "the gold is true"),
    ({"value": "5"}, "the gold is an object with `value`"),
    ([{"value": "5"}], "the gold is an object with `value`"),
    ({}, "the gold is an empty object"),
    (float("nan"), "the gold is not a number"),
    ([], "the gold is an empty list"),
    (["1", None], "the gold is missing"),
    (["1", ""], "the gold is a list with an empty text"),
    ('["A"', "looks like data that was printed"),
    ('["a", 1]', "looks like data that was printed"),
    ("['a' 'b']", "looks like data that was printed"),  # an array of NumPy; Python reads it as "ab"
    ("{'value': 5}", "looks like data that was printed"),
    ('{"value": "5"}', "looks like data that was printed"),
]


@pytest.mark.parametrize(("gold", "message"), REFUSED)
def test_what_is_no_answer_is_refused_by_name(gold: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        gold_text(gold, "the gold")


def test_the_place_and_the_field_are_named() -> None:
    with pytest.raises(InputError, match=r"p\.jsonl, row 3: the gold in `answer` is an object"):
        gold_of({"answer": {"value": 1}}, "p.jsonl, row 3")


def test_a_solution_in_answer_ends_with_the_gold() -> None:
    assert gold_of({"answer": "2 + 2 is 4.\n#### 4"}, "here") == "4"
