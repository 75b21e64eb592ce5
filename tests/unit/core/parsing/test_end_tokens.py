"""The tokens that end a turn, at the end of a text and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.parsing.end_tokens import END_TOKENS, without_end_tokens
from tests.programs import computing_at_most


@pytest.mark.parametrize("token", END_TOKENS)
def test_every_token_is_taken_off_the_end_and_off_the_end_only(token: str) -> None:
    assert without_end_tokens(f"a {token} b\n{token}") == f"a {token} b\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<|im_end|>\n", "a"),
        ("a\n<|eot_id|> </s>\n</s>", "a\n"),
        ("</s>", ""),
        ("a", "a"),
        ("a \n", "a \n"),
        ("", ""),
        ("a</s>.", "a</s>."),
        ("a</S>", "a</S>"),
        ("a<|im_end|", "a<|im_end|"),
        ("a<|im_start|>", "a<|im_start|>"),
        ("a</think>", "a</think>"),
    ],
)
def test_what_is_left_of_a_text(text: str, left: str) -> None:
    assert without_end_tokens(text) == left


@given(st.lists(st.one_of(st.sampled_from([*END_TOKENS, " ", "\n"]), st.text(max_size=3))).map("".join))
def test_a_text_loses_nothing_but_its_end_and_is_then_left_alone(text: str) -> None:
    left = without_end_tokens(text)
    assert text.startswith(left)
    assert without_end_tokens(left) == left


def test_a_text_of_nothing_but_tokens_takes_time_that_grows_with_its_length() -> None:
    with computing_at_most():
        assert without_end_tokens("x" + "</s> " * 100_000) == "x"
