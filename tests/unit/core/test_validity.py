"""Counting votes: when a problem is valid, invalid or undecided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.parsing.verifying import Vote
from promptcot.core.validity import VALIDITIES, Tally, tally, tally_of

KEYS = ["defined", "one_answer"]
YES = Vote("valid", {"defined": "yes", "one_answer": "yes"})
NO = Vote("invalid", {"defined": "yes", "one_answer": "no"})
UNSURE = Vote("undecided", {"defined": "yes", "one_answer": "unclear"})
UNREAD = Vote("undecided", reason="no answers")


@pytest.mark.parametrize(
    ("votes", "min_share", "verdict"),
    [
        ([YES] * 5, 0.6, "valid"),
        ([YES] * 3 + [NO] * 2, 0.6, "valid"),
        ([YES] * 3 + [NO] * 2, 0.8, "undecided"),
        ([YES] * 2 + [NO] * 3, 0.6, "invalid"),
        ([YES] * 2 + [NO] * 3, 0.4, "valid"),
        ([NO] * 5, 0.6, "invalid"),
        ([YES] * 2 + [NO] * 2, 0.6, "undecided"),
        ([YES] * 3 + [UNREAD] * 2, 0.6, "valid"),
        ([YES] * 2 + [UNREAD] * 3, 0.6, "undecided"),
        ([YES] * 2 + [UNREAD] * 2, 0.6, "undecided"),
        ([NO] * 2 + [UNREAD] * 3, 0.6, "undecided"),
        ([YES] * 2 + [UNSURE] * 3, 0.6, "undecided"),
        ([UNREAD] * 5, 0.0, "undecided"),
        ([YES], 1.0, "valid"),
        ([NO], 0.0, "invalid"),
        ([YES] + [NO] * 3, 0.0, "valid"),
        ([UNREAD], 0.6, "undecided"),
    ],
)
def test_the_verdict(votes: list[Vote], min_share: float, verdict: str) -> None:
    assert tally(votes, KEYS, "m").verdict(min_share) == verdict


def test_the_fields_of_a_row_count_votes_and_answers_and_name_the_models() -> None:
    counted = tally([YES, NO, UNSURE, UNREAD], KEYS, "m")
    assert counted.fields("undecided") == {
        "verdict": "undecided",
        "share": 0.5,
        "votes": {"valid": 1, "invalid": 1, "undecided": 2},
        "criteria": {"defined": {"yes": 3, "no": 0, "unclear": 0}, "one_answer": {"yes": 1, "no": 1, "unclear": 1}},
        "models": ["m"],
    }
    assert counted.most_named() == "one_answer"
    assert tally([UNREAD], KEYS, "m").fields("undecided")["share"] is None
    assert tally([YES, UNREAD], KEYS, "m").most_named() is None


@given(
    st.lists(st.sampled_from([YES, NO, UNSURE, UNREAD]), max_size=8),
    st.lists(st.sampled_from([YES, NO, UNSURE, UNREAD]), max_size=8),
    st.floats(0, 1),
)
def test_votes_of_several_models_count_like_those_of_one(one: list[Vote], other: list[Vote], min_share: float) -> None:
    parts = [tally_of(tally(votes, KEYS, name).fields(None)) for votes, name in ((one, "a"), (other, "b"))]
    together, alone = sum(parts, Tally()), tally([*one, *other], KEYS, "a")
    assert together.verdict(min_share) == alone.verdict(min_share) in VALIDITIES
    assert {**together.fields(None), "models": ["a"]} == alone.fields(None)
    assert together.models == ("a", "b")


@given(st.lists(st.sampled_from([UNSURE, UNREAD]), max_size=8), st.floats(0, 1))
def test_without_a_vote_that_decides_nothing_is_valid(votes: list[Vote], min_share: float) -> None:
    assert tally(votes, KEYS, "m").verdict(min_share) == "undecided"
