"""Training rows for a generator."""

from __future__ import annotations

from promptcot.core.parsing.blocks import Blocks, render
from promptcot.core.training_rows import generator_row
from promptcot.records import Row

THREE = Blocks(("rationale", "problem", "proof"))
TEXTS = {"rationale": "Take 6 and 4.", "problem": "Find gcd(6, 4).", "proof": "2 divides both."}
ROW: Row = {
    "id": "a1",
    "concepts": ["gcd"],
    "level": "AIME",
    "prompt": "Write these:\n" + render(dict.fromkeys(TEXTS, "..."), THREE),
    "completion": render(TEXTS, THREE),
}


def test_a_prompt_for_three_blocks_never_gets_a_completion_of_two() -> None:
    assert generator_row(ROW, lambda *_: "") == "prompt for other blocks"
    learned = generator_row(ROW, lambda *_: "", THREE)
    assert isinstance(learned, dict)
    assert (learned["prompt"], learned["completion"]) == (ROW["prompt"], ROW["completion"])


def test_a_prompt_without_markers_is_for_a_generator_that_knows_them() -> None:
    learned = generator_row({**ROW, "prompt": "Concepts: gcd"}, lambda *_: "")
    assert isinstance(learned, dict)
    assert "PROOF" not in learned["completion"]
