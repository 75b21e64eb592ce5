"""Which rows count as problems of the nano world."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.nano.findings import LOOKED_AT, of_world

PROBLEM = "Let A be the larger root of x^2 - 11x + 28 = 0. Find the number halfway between A and 19."
SOUND: dict[str, Any] = {"problem": PROBLEM, "foundational_concepts": ["integer roots", "midpoints"]}
FOREIGN: dict[str, Any] = {"problem": "Find the least prime above 7.", "foundational_concepts": ["primes", "parity"]}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([SOUND], True),
        ([{"foundational_concepts": ["parity"]}, {"foundational_concepts": ["factors", "midpoints"]}], True),
        ([{"problem": "Half a sentence"}, {"problem": PROBLEM[:40]}], False),
        ([{"problem": f"{PROBLEM[:50]} And so on."}, {"problem": "?"}], True),
        ([{"problem": PROBLEM, "foundational_concepts": ["concepts of an annotator"]}], True),
        ([{"problem": "?", "foundational_concepts": ["parity"]}], True),
        ([FOREIGN, FOREIGN, {**FOREIGN, "foundational_concepts": ["parity"]}], False),
        ([FOREIGN] * LOOKED_AT + [SOUND], False),
        ([{"prompt": "Hello", "foundational_concepts": []}], None),
        ([], None),
    ],
)
def test_rows_are_of_the_world_by_their_concepts_or_by_a_readable_sentence(
    rows: list[dict[str, Any]], expected: bool | None
) -> None:
    assert of_world(rows) is expected
