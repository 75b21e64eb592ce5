"""Thinking is placed once, before the answer, wherever a server puts it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.parsing.traces import malformed
from promptcot.engines.openai.reasoning import together
from tests.tables import cases

PIECES = st.sampled_from(
    [
        *("<think>", "</think>", "<think>\n", "\n</think>\n\n", "[THINK]", "[/THINK]", "a", "b", " ", "\n", "◁think▷"),
        *("<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "<|end|>", "<|start|>assistant", "analysis"),
    ]
)
PLAIN = st.text(st.characters(exclude_characters="<[◁"))
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@pytest.mark.parametrize("case", cases("reasoning"))
def test_where_the_thinking_is(case: dict[str, Any]) -> None:
    assert together(case["reasoning"], case["text"]) == case["is"]


@given(TEXTS, TEXTS)
def test_to_do_it_twice_is_to_do_it_once(reasoning: str, text: str) -> None:
    once = together(reasoning, text)
    assert together("", once) == once


@given(PLAIN, PLAIN)
def test_texts_without_marks_are_kept_as_they_are(reasoning: str, text: str) -> None:
    assert together("", text) == text
    said = together(reasoning, text)
    assert reasoning.strip() in said
    assert said.endswith(text)


@given(TEXTS)
def test_a_sound_trace_stays_sound(text: str) -> None:
    if malformed("", text) is None:
        assert malformed("", together("", text)) in (None, "thinking not closed")
