"""Scores of replies: every form in which trainers pass replies and golds, and the effect of options."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from promptcot import rewards
from promptcot.errors import InputError, UsageError
from promptcot.grading.verifiers import SHIPPED
from promptcot.rewards import Score, ascore, ascore_batch, passes, score, score_batch
from promptcot.rewards.texts import gold_of, text_of

OWN = str(Path(__file__).parents[1] / "grading")
HANGS = r"\boxed{\int_0^{\infty} \frac{\sin(x^5) \ln(x)}{e^{x^2}+\sqrt{x}} dx}"
ALGEBRA = (r"\boxed{\sin(b+a)}", r"\sin(a+b)")


@pytest.fixture(scope="module", autouse=True)
def _workers_end() -> Iterator[None]:
    yield
    rewards.graders.close()


@pytest.mark.parametrize(
    ("reply", "answer", "reason"),
    [
        (r"\boxed{4}", "4", "right"),
        (r"\boxed{\frac12}", "0.5", "right"),
        (r"\boxed{5}", "4", "wrong"),
        (r"<think>\boxed{4}</think> It is \boxed{5}.", "4", "wrong"),
        ("It is 4.", "4", "no_answer"),
        (r"\boxed{}", "4", "no_answer"),
        ("", "4", "no_answer"),
        (None, "4", "no_answer"),
        (r"<think> so \boxed{4}", "4", "truncated"),
        (r"It is \boxed{4", "4", "truncated"),
        (*ALGEBRA, "right"),
        (r"\boxed{\sin(b-a)}", ALGEBRA[1], "wrong"),
        (HANGS, "x+1", "timeout"),
        (r"\boxed{5}, no: \boxed{4}", "4", "right"),
        (r"\boxed{4}, no: \boxed{5}", "4", "wrong"),
        (r"\boxed{4} or \boxed{5}", "4", "wrong"),
        (r"\boxed{1}\boxed{2}\boxed{3}\boxed{4}", "4", "wrong"),
        (r"\boxed{\text{the answer}}", "4", "wrong"),
        (r"\boxed{4\text{ or something else}}", "4", "wrong"),
        (r"\boxed{k: k \in \{4,5\}}", "4", "wrong"),
        (r"\boxed{\mathbb{N}}", "4", "wrong"),
        (r"\boxed{\frac{0}{0}}", "4", "wrong"),
        (r"\boxed{4 + e^{-1000}}", "4", "wrong"),
        (r"\boxed{10^{10^{10^{10}}}}", "4", "wrong"),
        (r"\boxed{__import__('os')}", "4", "wrong"),
        (r"\boxed{\input{/etc/passwd}}", "4", "wrong"),
        ("\\boxed{\u200b4\u200b}", "4", "right"),
        ("\\boxed{\u202e24}", "42", "wrong"),
        ("\\box\u200bed{4}", "4", "no_answer"),
        (r"<think>a</think>\boxed{4}<think>b</think>", "4", "no_answer"),
        (r"<think>a</think>\boxed{5}<think>\boxed{4}", "4", "truncated"),
        (r"\boxed{4}</think>", "4", "no_answer"),
        (r"\boxed 4<|im_end|>", "4", "right"),
        ("\\boxed{4}" + "}" * 1_000_000, "4", "right"),
        ("\\boxed{" * 100_000, "4", "truncated"),
        (r"\boxed{4}", "nan", "gold_unreadable"),
        (r"\boxed{nan}", "nan", "gold_unreadable"),
        (r"\boxed{4}", "\u200b\0", "gold_unreadable"),
        (r"\boxed{4}", "$$", "gold_unreadable"),
        (r"\boxed{$$}", "$$", "gold_unreadable"),
        (r"\boxed{4}", r"\boxed{}", "gold_unreadable"),
        (r"\boxed{4}", "4</think>", "gold_unreadable"),
        (r"\boxed{4}", "Then 2 + 2 = <<2+2=4>>4 apples.\n#### 4", "right"),
        (r"\boxed{2}", "Then 2 + 2 = <<2+2=4>>4 apples.\n#### 4", "wrong"),
        (r"\boxed{4}", "Then there are four.\n####", "gold_unreadable"),
        (r"\boxed{4}", r"We have $x=3$. Thus the sum is $\boxed{4}$.", "right"),
        (r"\boxed{3}", r"We have $x=3$. Thus the sum is $\boxed{4}$.", "wrong"),
        (r"\boxed{4}", r"We have $x=3$. Thus the sum is $\boxed{4$.", "gold_unreadable"),
        (r"\boxed{4\text{ m}}", r"\boxed{4}\text{ cm}", "wrong"),
        (r"\boxed{4}", "", "gold_unreadable"),
        (r"\boxed{4}", "7" * 20_000, "gold_unreadable"),
        (None, None, "gold_unreadable"),
    ],
)
def test_the_reason_and_what_it_is_worth(reply: Any, answer: Any, reason: str) -> None:
    value = None if reason == "gold_unreadable" else float(reason == "right")
    assert score(reply, answer, limit=2) == Score(value, reason)  # type: ignore[arg-type]


def test_the_reasons_are_those_that_trainers_log() -> None:
    assert rewards.REASONS == ("right", "wrong", "no_answer", "truncated", "timeout", "gold_unreadable")


USER, HERE = {"role": "user", "content": r"\boxed{4}"}, {"role": "assistant", "content": r"\boxed{4}"}
PARTS = [{"type": "text", "text": r"\boxed"}, {"type": "image", "url": "x"}, {"type": "output_text", "text": "{4}"}]
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("4", "4"),
        (b"\\boxed{4}", r"\boxed{4}"),
        (bytearray(b"\xff4"), "\ufffd4"),
        (memoryview(b"4"), "4"),
        (None, ""),
        ([], ""),
        ({}, ""),
        (4, ""),
        (float("nan"), ""),
        (object(), ""),
        (HERE, r"\boxed{4}"),
        ([HERE], r"\boxed{4}"),
        ([USER, HERE], r"\boxed{4}"),
        ([HERE, USER], r"\boxed{4}"),
        ([USER], ""),
        ([HERE, CALL, {"role": "tool", "content": r"\boxed{4}"}], ""),
        ([{"role": "assistant", "content": PARTS}], r"\boxed{4}"),
        ({"role": "assistant", "content": [PARTS]}, r"\boxed{4}"),
        (PARTS, r"\boxed{4}"),
        (["\\boxed", "{4}"], r"\boxed{4}"),
        ([{"role": "assistant", "content": "4", "reasoning_content": r"\boxed{5}"}], "4"),
        ([{"type": "thinking", "thinking": "5"}, {"type": "text", "text": "4"}], "4"),
        ([{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "5"}]}, HERE], r"\boxed{4}"),
        ([HERE, {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "5"}]}], r"\boxed{4}"),
        ([{"content": "5"}, {"type": "tool_result", "content": r"\boxed{4}"}], "5"),
        (USER, ""),
        ({"role": "tool", "content": r"\boxed{4}"}, ""),
        ({"type": "tool_result", "content": r"\boxed{4}"}, ""),
        (SimpleNamespace(type="human", content=r"\boxed{4}"), ""),
        ([SimpleNamespace(type="human", content="5"), SimpleNamespace(type="ai", content="4")], "4"),
        ({"role": "Assistant", "content": "4"}, "4"),
        (
            [
                {
                    "role": "assistant",
                    "content": [{"type": "tool_result", "content": "5"}, {"type": "text", "text": "4"}],
                }
            ],
            "4",
        ),
        (
            [{"role": "assistant", "content": [{"type": "text", "text": "4"}, {"type": "summary_text", "text": "5"}]}],
            "4",
        ),
        ([None, {"role": "assistant", "content": [{"type": "text", "text": None}, None, {"text": "4"}]}], "4"),
        ([SimpleNamespace(type="message", role="assistant", content=[SimpleNamespace(text="4")])], "4"),
        (np.array([HERE], dtype=object), r"\boxed{4}"),
        ([[[[[[[[[[[["4"]]]]]]]]]]]], ""),
    ],
)
def test_a_reply_is_what_the_assistant_says_last(reply: Any, text: str) -> None:
    assert text_of(reply) == text


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (" 4 ", " 4 "),
        (b"4", "4"),
        (4, "4"),
        pytest.param(10**400, "1" + "0" * 400, id="400 digits"),
        pytest.param(10**10_000, None, id="ten thousand digits"),
        (4.5, "4.5"),
        (Decimal("1.50"), "1.50"),
        (Fraction(1, 2), "1/2"),
        (np.int64(4), "4"),
        (np.array(["4"]), "4"),
        (memoryview(b"4"), "4"),
        ("NaN", None),
        ("\ufeff \u200b", None),
        ("\ud800", None),
        (["4"], "4"),
        (["4", "5"], None),
        ([], None),
        (float("nan"), None),
        (float("-inf"), None),
        (Decimal("sNaN"), None),
        (None, None),
        ("  \n", None),
        ({"answer": "4"}, None),
    ],
)
def test_a_gold_is_a_text_or_a_number(answer: Any, gold: str | None) -> None:
    assert gold_of(answer) == gold
    if gold is None:
        assert score(r"\boxed{4}", answer).reason == "gold_unreadable"


def test_a_reply_that_was_cut_off_and_has_an_answer_is_judged_by_it() -> None:
    assert score(r"\boxed{4} and", "4", truncated=True).reason == "right"
    assert score("so", "4", truncated=True).reason == "truncated"


def test_thinking_that_the_prompt_opened_is_no_answer_until_it_ends() -> None:
    assert score(r"so \boxed{4}", "4", opened=True).reason == "truncated"
    assert score(r"so </think> \boxed{4}", "4", opened=True).reason == "right"


def test_other_verifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(OWN)
    assert score(r"\boxed{7.5}", "7.5", verifier="integers").reason == "gold_unreadable"
    assert score(r"\boxed{Knight.}", "knight", verifier="exact").reason == "right"
    own = "own_verifiers:Fragile"
    asked = ["Truthful: Bob, Ann", "Truthful: Bob", "Eve", "Truthful: hangs", "Truthful: dies", "<think>"]
    found = score_batch(asked, ["Ann, Bob"] * len(asked), verifier=own, limit=0.5)
    assert [one.reason for one in found] == ["right", "wrong", "no_answer", "timeout", "timeout", "truncated"]
    assert score("Truthful: nobody", "nobody", verifier=own, limit=0.5) == Score(None, "gold_unreadable")
    assert score("Ann", "Ann", verifier=own, limit=0.5, unboxed=True).reason == "right"
    assert score("Truthful: Ann #### Bob", "Ann #### Bob", verifier=own, limit=0.5).reason == "right"  # nobody's mark


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limit": 0}, UsageError),
        ({"limit": float("nan")}, UsageError),
        ({"format": float("inf")}, UsageError),
        ({"overlong": (10, 20)}, UsageError),
        ({"overlong": (20, 10)}, UsageError),  # the length is not known
        ({"verifier": "maths"}, InputError),
        ({"limits": 3}, TypeError),
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        score(*ALGEBRA, **options)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (r"<think>a</think>\boxed{4}", 1.1),
        (r"<think>a</think>\boxed{5}", 0.1),
        (r"\boxed{5}", 0.1),
        ("5", 0.0),
        (r"<think>\boxed{5}", 0.0),
        (r"<think>a</think></think>\boxed{4}", 1.0),
    ],
)
def test_the_format_is_worth_what_it_is_told_to_be(reply: str, value: float) -> None:
    assert score(reply, "4", format=0.1).value == value


@pytest.mark.parametrize(("tokens", "penalty"), [(0, 0), (80, 0), (90, 0.5), (100, 1), (1000, 1)])
def test_the_penalty_grows_over_the_buffer(tokens: int, penalty: float) -> None:
    assert score(r"\boxed{4}", "4", tokens=tokens, overlong=(100, 20)).value == 1 - penalty
    assert score(r"\boxed{4}", "", tokens=tokens, overlong=(100, 20)).value is None


def test_a_batch_is_scored_as_its_replies_are() -> None:
    replies, answers = [r"\boxed{4}", ALGEBRA[0], None, HANGS, r"\boxed{1}"], ["4", ALGEBRA[1], "4", "x+1", None]
    alone = [score(reply, answer, limit=1) for reply, answer in zip(replies, answers, strict=True)]
    assert score_batch(replies, answers, limit=1) == alone
    assert asyncio.run(ascore_batch(replies, answers, limit=1)) == alone
    assert asyncio.run(ascore(*ALGEBRA)) == score(*ALGEBRA)
    assert score_batch([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        score_batch(replies, answers[:2])


def test_a_gold_passes_its_own_verifier_or_does_not() -> None:
    assert [passes(gold, limit=2) for gold in ("4", 4, r"\sin(a+b)", "", None, "7" * 20_000)] == [True] * 3 + [
        False
    ] * 3
    assert not passes("7.5", verifier="integers")


@pytest.mark.parametrize(
    "gold", ["4", r"\frac12", "(1,2)", "x>4", r"\text{Yes}", "<think>4", "</think>", "1}{2", "\\", "$", "~"]
)
def test_a_gold_passes_where_a_reply_that_says_it_is_right(gold: str) -> None:
    assert passes(gold) == (score(f"\\boxed{{{gold}}}", gold).reason == "right")


@pytest.mark.parametrize("verifier", ["mathematics", "integers", "exact"])
def test_whole_numbers_that_are_told_by_their_text_are_told_as_the_verifier_tells_them(verifier: str) -> None:
    numbers = [0, 7, -7, 70, 1000, 10**15, 10**40, -(10**40), 123456789, 10**41 - 1]
    for gold in map(str, numbers):
        for answer in map(str, numbers):
            told = SHIPPED[verifier].at_once(gold, answer, mutual=False)
            assert score(f"\\boxed{{{answer}}}", gold, verifier=verifier).value == float(gold == answer) == told
