"""Rows for a target: enough and not many more, and intervals with the stated coverage."""

from __future__ import annotations

import numpy as np
import pytest

from promptcot.core.statistics.target import Interval, rows_to_target, rows_worth_starting


def test_before_anything_is_known_a_share_of_15_percent_is_assumed() -> None:
    assert rows_worth_starting(20, 0, 0) == rows_worth_starting(20, 9, 19) == 183


@pytest.mark.parametrize("share", [0.01, 0.16, 0.5, 0.9])
@pytest.mark.parametrize("missing", [1, 5, 100])
def test_rows_under_way_hold_what_is_missing_nearly_always(share: float, missing: int) -> None:
    decided = 1_000_000
    rows = rows_worth_starting(missing, round(share * decided), decided)
    accepted = np.random.default_rng(1).binomial(rows, share, 4000)
    assert np.mean(accepted >= missing) > 0.9
    assert rows < (missing + 2.5 * missing**0.5) / share + 2


def test_little_evidence_starts_fewer_rows_than_much() -> None:
    assert rows_worth_starting(50, 4, 25) < rows_worth_starting(50, 160, 1000)


@pytest.mark.parametrize("share", [0.05, 0.16, 0.6])
@pytest.mark.parametrize("decided", [20, 50, 100])
def test_the_interval_holds_the_end_about_nine_times_in_ten(share: float, decided: int) -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        accepted = int(rng.binomial(decided, share))
        more = 30 + rng.negative_binomial(30, share)
        found = rows_to_target(30, accepted, decided)
        held += found.low <= more <= found.high
    assert 0.8 < held / 300 <= 1.0


def test_the_interval_narrows() -> None:
    widths = [
        (found.high - found.low) / found.point for found in (rows_to_target(30, n // 5, n) for n in (20, 100, 500))
    ]
    assert widths[0] > widths[1] > widths[2]


def test_a_target_that_is_reached_takes_no_more_rows() -> None:
    assert rows_to_target(0, 7, 20) == rows_to_target(-3, 7, 20) == Interval(0.0, 0.0, 0.0)


def test_rows_that_become_several_take_fewer_rows_than_are_missing() -> None:
    found = rows_to_target(10, 90, 30)
    assert found.low < 10 / 3 < found.high
    assert 10 / 3 <= rows_worth_starting(10, 90, 30) < 10
