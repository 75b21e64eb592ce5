"""Replies that repeat the prompt, or imitate its form: none of that is the model's answer.

To add one, add a line to tests/cases/hostile_replies.jsonl.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from promptcot import domains
from promptcot.core.parsing import blocks, extraction
from promptcot.core.parsing.blocks import Unreadable
from promptcot.core.parsing.judging import read_reply
from tests.tables import table

ROWS = table("hostile_replies")
CRITERIA = domains.load("math").criteria


def read(row: dict[str, Any]) -> str:
    """A judge's verdict; for other readers `read`, or why there is nothing to read."""
    if row["reader"] == "judge":
        return read_reply(row["reply"], "stop", CRITERIA, row["material"], row.get("mark")).verdict
    found: object
    if row["reader"] == "generate":
        found = blocks.parse(row["reply"], "stop", row["prompt"])
    elif row["reader"] == "explain":
        found = blocks.parse_others(row["reply"], "stop", row["prompt"])
    else:
        found = extraction.parse(row["reply"], row["n"], "stop", row["prompt"])
    return found.reason if isinstance(found, Unreadable) else "read"


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in ROWS])
def test_what_is_repeated_is_no_answer(row: dict[str, Any]) -> None:
    assert read(row) == row["expect"], row["why"]


def test_the_table_has_many_rows_and_no_name_twice() -> None:
    readers = Counter(row["reader"] for row in ROWS)
    assert len({row["name"] for row in ROWS}) == len(ROWS) >= 200
    assert readers["judge"] > len(ROWS) / 2
    assert min(readers.values()) >= 10


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in table("honest_judge_replies")])
def test_a_judge_that_rates_is_read_whatever_its_style_and_its_material(row: dict[str, Any]) -> None:
    judgement = read_reply(row["reply"], "stop", CRITERIA, row["material"], row.get("mark"))
    assert [*judgement.ratings.values(), judgement.verdict] == row["words"], judgement.reason
