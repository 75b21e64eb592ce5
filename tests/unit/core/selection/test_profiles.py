"""The difficulty of a problem from one row, and from several rows combined."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.selection.profiles import (
    NO_COUNT,
    NO_PASS_RATE,
    NOT_AGREED,
    merged,
    models_of,
    pooled,
    profile_of,
)
from promptcot.errors import UnfitRow

LABELLED = {"id": "a", "problem": "Find it.", "label": "4", "agreement": 1.0, "n": 4, "answered": 4, "pass_rate": 1.0}
SIDE_BY_SIDE = {
    **{**LABELLED, "n": 8, "pass_rate": 0.5},
    "models": {"x": {"pass_rate": 0.75, "n": 4}, "y": {"pass_rate": 0.25, "n": 4}},
}

REFUSED: list[tuple[str, dict[str, Any], float | None, str | None]] = [
    ("agreed", LABELLED, None, None),
    ("a bare majority", {**LABELLED, "agreement": 0.51}, None, None),
    ("a half is no majority", {**LABELLED, "agreement": 0.5}, None, NOT_AGREED),
    ("a half, where that is enough", {**LABELLED, "agreement": 0.5}, 0.5, None),
    ("less than asked", {**LABELLED, "agreement": 0.7}, 0.75, NOT_AGREED),
    ("a tie", {**LABELLED, "label": None, "agreement": 0.5, "pass_rate": None}, None, NOT_AGREED),
    ("no answer", {**LABELLED, "label": None, "agreement": None, "pass_rate": None}, None, NO_PASS_RATE),
    ("a label that nobody is said to agree on", {"label": "4", "pass_rate": 0.5}, None, NOT_AGREED),
    ("a gold, which nobody has to agree on", {"answer": "4", "pass_rate": 0.5}, None, None),
    ("a gold, and no pass rate", {"answer": "4"}, None, NO_PASS_RATE),
    ("a pass rate of what?", {"pass_rate": 0.5}, None, NOT_AGREED),
    ("nothing at all", {"problem": "Find it."}, None, NO_PASS_RATE),
    ("one trace of four alone", {**LABELLED, "answered": 1}, None, NOT_AGREED),
    ("one trace of four alone, whatever is asked", {**LABELLED, "answered": 1}, 0.0, NOT_AGREED),
    ("two traces of four", {**LABELLED, "answered": 2}, None, None),
    ("one trace, which is all that there is", {**LABELLED, "n": 1, "answered": 1}, None, None),
    ("a label wins over a gold", {**LABELLED, "answer": "5", "agreement": 0.4}, None, NOT_AGREED),
]


@pytest.mark.parametrize(
    ("row", "least", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_difficulty_counts_only_where_the_answer_is_agreed(
    row: dict[str, Any], least: float | None, expected: str | None
) -> None:
    assert profile_of(row).refused(least) == expected


UNFIT: list[dict[str, Any]] = [
    {"pass_rate": 62.5},
    {"pass_rate": -0.1},
    {"pass_rate": float("nan")},
    {"pass_rate": "0.5"},
    {"pass_rate": True},
    {"pass_rate": [0.5]},
    {"n": 0},
    {"n": -4},
    {"n": 2.5},
    {"n": "4"},
    {"n": 10**12},
    {"agreement": 2},
    {"models": {"x": 0.5}},
    {"models": {"x": {"pass_rate": 7}}},
    {"models": {"x": {"pass_rate": 0.5, "n": -1}}},
]


@pytest.mark.parametrize("odd", UNFIT)
def test_numbers_that_can_be_none_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(UnfitRow, match=r"`(pass_rate|n|agreement|models)` ") as refused:
        (profile_of({**LABELLED, **odd}), models_of({**LABELLED, **odd}))
    if odd.get("pass_rate") == 62.5:
        assert "divide percentages by 100" in str(refused.value)


def test_a_whole_number_may_be_a_float() -> None:
    assert profile_of({**LABELLED, "n": 4.0}).n == 4


def test_the_pass_rate_of_one_model_or_over_all_traces() -> None:
    assert (profile_of(SIDE_BY_SIDE).pass_rate, profile_of(SIDE_BY_SIDE).n) == (0.5, 8)
    assert (profile_of(SIDE_BY_SIDE, "y").pass_rate, profile_of(SIDE_BY_SIDE, "y").n) == (0.25, 4)
    assert profile_of(SIDE_BY_SIDE, "z").refused(None) == NO_PASS_RATE
    assert profile_of({**LABELLED, "model": "x"}, "x").pass_rate == 1.0


def pool(*rows: dict[str, Any], model: str | None = None) -> Any:
    return pooled([profile_of(row, model) for row in rows], lambda one, other: {one, other} == {"1/2", "0.5"})


def test_passes_and_traces_add_up() -> None:
    found = pool(LABELLED, {**LABELLED, "n": 8, "answered": 8, "pass_rate": 0.25, "agreement": 0.4})
    assert (found.pass_rate, found.n, found.agreement) == (0.5, 12, pytest.approx((4 + 8 * 0.4) / 12))


def test_rates_that_were_rounded_add_up_to_whole_passes() -> None:
    thirds = {**LABELLED, "n": 3, "pass_rate": 0.3333333333, "agreement": 1.0}
    assert pool(thirds, thirds, thirds).pass_rate == 1 / 3


DISAGREE: list[tuple[str, list[dict[str, Any]], str | None]] = [
    ("different labels", [LABELLED, {**LABELLED, "label": "5"}], NOT_AGREED),
    ("one answer, written in two ways", [{**LABELLED, "label": "1/2"}, {**LABELLED, "label": "0.5"}], None),
    ("a tie beside a label", [LABELLED, {**LABELLED, "label": None, "pass_rate": None}], NOT_AGREED),
    ("a gold that is not the label", [LABELLED, {"answer": "5", "pass_rate": 0.5, "n": 4}], NOT_AGREED),
    ("a gold that is the label", [LABELLED, {"answer": "4", "pass_rate": 0.5, "n": 4}], None),
    ("two who were alone, each in a file", [{**LABELLED, "answered": 1}, {**LABELLED, "answered": 1}], None),
    ("no n to add up", [LABELLED, {**LABELLED, "n": None}], NO_COUNT),
]


@pytest.mark.parametrize(("rows", "expected"), [case[1:] for case in DISAGREE], ids=[case[0] for case in DISAGREE])
def test_profiles_of_one_problem_have_one_answer(rows: list[dict[str, Any]], expected: str | None) -> None:
    found = pool(*rows)
    assert (found if isinstance(found, str) else None) == expected


def test_a_problem_without_a_profile_of_the_model_has_none_from_others() -> None:
    other = {**LABELLED, "model": "y", "pass_rate": 0.25}
    assert pool({**LABELLED, "model": "x"}, other, model="y").pass_rate == 0.25


def test_profiles_of_two_models_stand_side_by_side_in_the_row() -> None:
    one, other = {**LABELLED, "model": "x", "margin": 1.0, "refused": 1}, {**LABELLED, "model": "y", "pass_rate": 0.5}
    found = merged([one, {**other, "level": "AIME", "refused": 2}])
    assert found["models"] == {"x": {"pass_rate": 1.0, "n": 4}, "y": {"pass_rate": 0.5, "n": 4}}
    assert (found["model"], found["pass_rate"], found["n"], found["answered"]) == (None, 0.75, 8, 8)
    assert (found["margin"], found["refused"], found["level"]) == (None, 3, "AIME")
    assert "mean_tokens" not in found, "no row had it"


def test_a_profile_made_again_is_still_of_one_model() -> None:
    found = merged([{**LABELLED, "model": "x"}, {**LABELLED, "model": "x", "pass_rate": 0.5}])
    assert (found["model"], found["pass_rate"], found["n"]) == ("x", 0.75, 8)
    assert "models" not in found
