"""End tokens that a server left at the end are not part of the reply; the same tokens elsewhere may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.replies import ended
from promptcot.records import Completion
from tests.programs import computing_at_most

ENDS = [
    *("</s>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<|return|>"),
    *(
        "<end_of_turn>",
        "<eos>",
        "<｜end▁of▁sentence｜>",
        "<|EOT|>",
        "<|end_of_turn|>",
        "[EOS]",
        "[|endofturn|]",
        "<seed:eos>",
    ),
    *("<|END_OF_TURN_TOKEN|>", "<|message_end|>", "<|endofturn|>", "<|user|>", "<|im_end|>\n", " <|eot_id|>\n</s> "),
]
NONE = [
    *(
        "4",
        "",
        " \n",
        "a < b",
        "[4]",
        "<|x|>",
        "|x|>",
        "[e, f]",
        "The token </s> ends.",
        "<|im_end|>4",
        "</s>4\n",
        "<s>",
    ),
    *("<|im_start|>", "<think>", "</think>", "the end>", "<end>", "$\\langle x| y\\rangle$", "eos", "\\boxed{4}"),
]


@pytest.mark.parametrize("end", ENDS)
def test_an_end_token_is_taken_off_the_end(end: str) -> None:
    assert without_end_tokens(f"It is 4.\n{end}").rstrip() == "It is 4."
    assert without_end_tokens(f"{end}4") == f"{end}4"


@pytest.mark.parametrize("text", NONE)
def test_other_ends_are_left_alone(text: str) -> None:
    assert without_end_tokens(text) == text


@given(st.lists(st.sampled_from([*ENDS, "a", " ", "<", "[", "|>"]), max_size=8).map("".join))
def test_what_is_left_begins_the_text_and_has_no_end_token_at_its_end(text: str) -> None:
    left = without_end_tokens(text)
    assert text.startswith(left)
    assert without_end_tokens(left) == left


@pytest.mark.parametrize(("reason", "taken"), [("stop", True), (None, True), ("length", False), ("whatever", False)])
def test_only_a_finished_reply_has_ended(reason: str, taken: bool) -> None:
    reply = ended(Completion("4</s>", reason))
    assert (reply.text, reply.end_tokens) == (("4", "</s>") if taken else ("4</s>", ""))
    assert ended(reply) is reply


def test_a_hundred_thousand_end_tokens_take_no_time() -> None:
    with computing_at_most(2):
        assert without_end_tokens("4" + "</s> \n" * 100_000) == "4"
        assert without_end_tokens("4" + " " * 1_000_000 + "x") == "4" + " " * 1_000_000 + "x"
