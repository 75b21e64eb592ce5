"""Labels from counts, against values computed by hand."""

from __future__ import annotations

import pytest

from promptcot.core.labelling import Band, Wording, decide, problem_row, unfit


def test_the_largest_class_is_the_label_with_its_agreement_margin_and_pass_rate() -> None:
    found = decide(10, [Wording("7", 0, 5), Wording("8", 1, 2), Wording("9", 2, 1)], mean_tokens=30.0)
    assert (found.text, found.number, found.reason) == ("7", 0, None)
    assert (found.n, found.answered, found.mean_tokens) == (10, 8, 30.0)
    assert found.agreement == pytest.approx(5 / 8)
    assert found.margin == pytest.approx(3 / 8)
    assert found.pass_rate == pytest.approx(5 / 10)


def test_wordings_of_one_class_vote_together_and_the_most_frequent_one_is_written() -> None:
    found = decide(7, [Wording("0.5", 0, 1), Wording("2", 1, 3), Wording("1/2", 0, 3)])
    assert (found.text, found.agreement) == ("1/2", pytest.approx(4 / 7))


def test_of_equally_frequent_wordings_the_first_is_written() -> None:
    assert decide(2, [Wording("0.5", 0, 1), Wording("1/2", 0, 1)]).text == "0.5"


def test_a_tie_has_no_label_and_no_pass_rate() -> None:
    found = decide(5, [Wording("1", 0, 2), Wording("2", 1, 2), Wording("3", 2, 1)])
    assert (found.text, found.reason, found.margin, found.pass_rate) == (None, "tie", 0.0, None)
    assert found.agreement == pytest.approx(2 / 5)


def test_without_any_answer_nothing_is_known_and_nothing_is_zero() -> None:
    found = decide(4, [])
    assert (found.text, found.reason, found.n, found.answered) == (None, "no answer", 4, 0)
    assert (found.agreement, found.margin, found.pass_rate) == (None, None, None)


def test_a_single_class_leads_by_all_of_it() -> None:
    found = decide(4, [Wording("1", 0, 3)])
    assert (found.agreement, found.margin, found.pass_rate) == (1.0, 1.0, 0.75)


@pytest.mark.parametrize(
    ("band", "reason"),
    [
        (Band(), None),
        (Band(min_agreement=0.75), None),
        (Band(min_agreement=0.76), "agreement too low"),
        (Band(min_pass_rate=0.5), None),
        (Band(min_pass_rate=0.51), "pass rate too low"),
        (Band(max_pass_rate=0.5), None),
        (Band(max_pass_rate=0.49), "pass rate too high"),
    ],
)
def test_the_bounds_of_a_band_are_inclusive(band: Band, reason: str | None) -> None:
    three_of_four_answers_in_six_traces = decide(6, [Wording("1", 0, 3), Wording("2", 1, 1)])
    assert band.refuses(three_of_four_answers_in_six_traces) == reason


def test_what_has_no_label_is_refused_by_every_band() -> None:
    assert Band().refuses(decide(2, [])) == "unlabelled: no answer"
    assert Band().refuses(decide(2, [Wording("1", 0, 1), Wording("2", 1, 1)])) == "unlabelled: tie"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"truncated": True}, "truncated"),
        ({"finish_reason": "length"}, "truncated"),
        ({"finish_reason": "MAX_TOKENS", "truncated": False}, "truncated"),
        ({"finish_reason": "insufficient_system_resource"}, "unfinished"),
        ({"finish_reason": "whatever"}, "unfinished"),
        ({"finish_reason": "tool_calls"}, "unfinished"),
        ({"finish_reason": ["stop"]}, "unfinished"),
        ({"finish_reason": "STOP"}, None),
        ({"finish_reason": None}, None),
        ({"malformed": "thinking not closed"}, "malformed"),
        ({"finish_reason": "stop", "truncated": False}, None),
    ],
)
def test_traces_that_are_cut_off_or_broken_are_unfit(row: dict[str, object], why: str | None) -> None:
    assert unfit(row) == why


def test_the_row_of_a_problem_keeps_what_is_not_of_the_trace() -> None:
    trace = {"id": "a", "problem": "p", "answer": "1", "sample": 3, "completion": "c", "completion_tokens": 9}
    assert problem_row(trace) == {"id": "a", "problem": "p", "answer": "1"}
