"""Finish reasons: one vocabulary for those of servers, files and old journals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.records import LENGTH, STOP, UNSTATED, Completion, finish_of, is_finished
from tests.tables import cases


@pytest.mark.parametrize("case", cases("finish_reasons"))
def test_what_a_word_means(case: dict[str, Any]) -> None:
    assert finish_of(case["word"]) == case["is"]
    assert finish_of(case["is"]) == case["is"]
    assert is_finished(case["word"]) is (case["is"] in (STOP, UNSTATED))
    reply = Completion("x", case["word"])
    assert (reply.finish_reason, reply.truncated) == (case["is"], case["is"] == LENGTH)


@given(st.text() | st.none() | st.integers() | st.lists(st.text()) | st.dictionaries(st.text(), st.integers()))
def test_any_word_becomes_one_that_stays_and_can_be_printed(word: Any) -> None:
    ours = finish_of(word)
    assert finish_of(ours) == ours
    assert ours.isprintable()
    assert len(ours) <= 60
