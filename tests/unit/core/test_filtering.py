"""The rows that are accepted, and the fields of the generator's text before and after."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.filtering import bring_back, decide, generator_text, set_aside, training_row, verdict_of
from promptcot.errors import InputError
from promptcot.records import Row

P, A, B, X = "perfect", "acceptable", "bad", "invalid"


@pytest.mark.parametrize(
    ("verdicts", "strict", "lenient"),
    [
        ([P], None, None),
        ([P, P], None, None),
        ([P, A], "not all perfect", None),
        ([A, A], "not all perfect", "none perfect"),
        ([P, B], "bad", "bad"),
        ([P, X], "invalid verdict", "invalid verdict"),
        ([B, X], "invalid verdict", "invalid verdict"),
        ([P, "Perfect!"], "invalid verdict", "invalid verdict"),
        ([], "missing verdict", "missing verdict"),
    ],
)
def test_each_rule_and_its_reason(verdicts: list[str], strict: str | None, lenient: str | None) -> None:
    assert decide(verdicts, only_perfect=True) == strict
    assert decide(verdicts, only_perfect=False) == lenient


def test_a_row_that_a_judge_has_not_seen_is_dropped_whatever_the_others_say() -> None:
    assert decide([P, P], only_perfect=True, n_rewards=3) == "missing verdict"
    assert decide([B], only_perfect=False, n_rewards=2) == "missing verdict"
    assert decide([P, P], only_perfect=True, n_rewards=2) is None


@given(st.lists(st.sampled_from([P, A, B, X, ""])), st.booleans(), st.integers(0, 4))
def test_the_order_of_the_judges_is_without_effect_and_strict_accepts_less(
    verdicts: list[str], only_perfect: bool, n_rewards: int
) -> None:
    reason = decide(verdicts, only_perfect, n_rewards)
    assert decide(verdicts[::-1], only_perfect, n_rewards) == reason
    if decide(verdicts, True, n_rewards) is None:
        assert decide(verdicts, False, n_rewards) is None
    if reason is None:
        assert P in verdicts
        assert not {B, X, ""} & set(verdicts)


GENERATED: Row = {
    "id": "a",
    "prompt": "Concepts: …",
    "completion": "the generator's words",
    "problem": "Find n.",
    "finish_reason": "stop",
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "note": "unknown fields are carried along",
}
JUDGES: Row = {
    "judge": "one",
    "ratings": {"format": P},
    "judgement": X,
    "invalid_reason": "cut off",
    "completion": "the judge's words",
    "finish_reason": "length",
    "prompt_tokens": 30,
    "completion_tokens": 40,
}


def test_the_generators_words_and_counts_are_set_aside_together() -> None:
    assert set_aside(GENERATED) == {
        "id": "a",
        "prompt": "Concepts: …",
        "rationale_and_problem": "the generator's words",
        "problem": "Find n.",
        "generator_finish_reason": "stop",
        "generator_prompt_tokens": 10,
        "generator_completion_tokens": 20,
        "note": "unknown fields are carried along",
    }


def test_what_is_set_aside_comes_back_and_nothing_of_the_judge_stays() -> None:
    judged = {**set_aside(GENERATED), **JUDGES}
    assert bring_back(judged) == GENERATED
    assert list(bring_back(judged)) == list(GENERATED)


def test_a_row_that_was_judged_before_keeps_the_generators_words_for_the_next_judge() -> None:
    judged = {**set_aside(GENERATED), **JUDGES}
    assert generator_text(judged) == "the generator's words"
    assert set_aside(judged) == set_aside(GENERATED)


def test_a_public_judged_row_without_counts_is_brought_back() -> None:
    row = {"prompt": "p", "rationale_and_problem": "g", "completion": "j", "judgement": "**Perfect**."}
    assert verdict_of(row) == P
    assert bring_back(row) == {"prompt": "p", "completion": "g"}


def test_a_row_without_a_judgement_is_invalid() -> None:
    assert verdict_of({"id": "a"}) == X


def test_training_rows_are_the_prompt_and_the_generators_completion() -> None:
    expected = {"prompt": "Concepts: …", "completion": "the generator's words"}
    assert training_row(GENERATED) == training_row({**set_aside(GENERATED), **JUDGES}) == expected


@pytest.mark.parametrize("field", ["prompt", "completion"])
def test_a_row_that_lacks_a_text_is_named(field: str) -> None:
    with pytest.raises(InputError, match=f"row a: .*`{field}`"):
        training_row({key: value for key, value in GENERATED.items() if key != field})
