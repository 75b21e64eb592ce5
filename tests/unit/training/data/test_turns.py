"""Turns with reasoning in a separate field, and turns that contain more than text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptcot.training.data.reading import Example, Rejected
from tests.unit.training.data.test_rows import read
from tests.unit.training.materials import CHATML, THINKING

ASKED = {"role": "user", "content": "1 + 1?"}
LEARNT = "<think>\n1 and 1.\n</think>\n\n2"


def answer(**turn: Any) -> dict[str, Any]:
    return {"messages": [ASKED, {"role": "assistant", "content": "2", **turn}]}


TEXT = {"type": "text", "text": "2"}
KEPT: list[tuple[str, dict[str, Any], str]] = [
    ("reasoning_content", answer(reasoning_content="1 and 1."), LEARNT),
    ("reasoning", answer(reasoning="\n1 and 1.\n", content="\n\n2"), LEARNT),
    ("thinking", answer(thinking="1 and 1."), LEARNT),
    ("a part that thinks", answer(content=[{"type": "thinking", "thinking": "1 and 1."}, TEXT]), LEARNT),
    ("a part of parts", answer(content=[{"type": "thinking", "thinking": [{"text": "1 and 1."}]}, TEXT]), LEARNT),
    ("beside the messages", {**answer(), "reasoning_content": "1 and 1."}, LEARNT),
    ("in the message and beside it", {**answer(reasoning="1 and 1."), "reasoning": "1 and 1."}, LEARNT),
    ("in a list of TRL", {"prompt": [ASKED], "completion": answer(reasoning="1 and 1.")["messages"][1:]}, LEARNT),
    ("thought already", answer(content=LEARNT, reasoning_content="1 and 1."), LEARNT),
    ("none", answer(reasoning_content=None), "2"),
    ("an empty one", answer(reasoning_content=" \n"), "2"),
    ("a switch beside it", {**answer(), "reasoning": "on"}, "2"),
    ("no text", answer(reasoning_content={"a": 1}), "2"),
    ("ShareGPT's words", {"messages": [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}]}, "2"),
    ("other roles", {"messages": [{**ASKED, "role": "human"}, {"role": "model", "content": "2"}]}, "2"),
    ("text in parts", answer(content=[TEXT, {"type": "text", "text": "."}]), "2."),
]


@pytest.mark.parametrize(("row", "learnt"), [one[1:] for one in KEPT], ids=[one[0] for one in KEPT])
def test_reasoning_is_learnt_in_front_of_the_answer(tmp_path: Path, row: dict[str, Any], learnt: str) -> None:
    [found] = read(tmp_path, [row], CHATML)
    assert isinstance(found, Example)
    assert found.completion == learnt


def test_it_goes_on_after_a_template_that_opens_the_thinking(tmp_path: Path) -> None:
    [found] = read(tmp_path, [answer(reasoning_content="1 and 1.")], THINKING)
    assert (found.prompt[-8:], found.completion) == ("<think>\n", "1 and 1.\n</think>\n\n2")


def test_of_earlier_answers_the_reasoning_is_left_out_as_at_inference(tmp_path: Path) -> None:
    turns = [*answer(reasoning_content="never seen")["messages"], {"role": "user", "content": "2 + 2?"}]
    [found] = read(tmp_path, [{"messages": [*turns, {"role": "assistant", "content": "4"}]}], CHATML)
    assert "never seen" not in found.prompt + found.completion


def test_beside_a_pair_of_texts_too(tmp_path: Path) -> None:
    row = {"prompt": "1 + 1?\n", "completion": "2", "reasoning_content": "1 and 1."}
    assert read(tmp_path, [row], None)[0].completion == LEARNT
    assert read(tmp_path, [{**row, "prompt": "1 + 1?<think>\n"}], None)[0].completion == LEARNT[8:]


LEFT_OUT: list[tuple[str, dict[str, Any], str]] = [
    ("a call", answer(content=None, tool_calls=[{"id": "a"}]), "calls of tools"),
    ("an old call", answer(function_call={"name": "f"}), "calls of tools"),
    ("a tool's words", {"messages": [ASKED, {"role": "tool", "content": "2"}, *answer()["messages"][1:]]}, "calls of"),
    (
        "ShareGPT's tools",
        {"conversations": [{"from": "human", "value": "?"}, {"from": "observation", "value": "2"}]},
        "calls of",
    ),
    ("an image", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "image_url"),
    ("a part of no type", answer(content=[7]), "a part that is no text: int"),
    ("no parts", answer(content=[]), "not text"),
    ("nothing known", {"text": "1 + 1 is 2", "url": "u"}, "no prompt, completion or messages: it has `text`, `url`"),
    ("a preference", {"chosen": [], "rejected": []}, "it has `chosen`, `rejected`"),
]


@pytest.mark.parametrize(("row", "reason"), [one[1:] for one in LEFT_OUT], ids=[one[0] for one in LEFT_OUT])
def test_what_is_left_out_is_counted_under_its_name(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    [found] = read(tmp_path, [row], CHATML)
    assert isinstance(found, Rejected)
    assert reason in found.reason
