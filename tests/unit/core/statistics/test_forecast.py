"""The forecast of calls, cost and time: never below the calls already made, and narrower as rows are decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptcot.core.statistics.forecast import Standing, forecast

HALF_WAY = Standing(None, 20, 120, 60, 10, 300, 3.0, spent=6.0, row_cost=0.06)


def test_too_little_is_known_at_first() -> None:
    assert forecast(replace(HALF_WAY, decided=19, accepted=3), 10.0) is None


def test_work_without_an_end_has_no_forecast() -> None:
    assert forecast(replace(HALF_WAY, target=None), 10.0) is None


def test_a_known_number_of_rows_has_one_end() -> None:
    found = forecast(replace(HALF_WAY, target=None, total=200), None)
    assert found is not None
    assert found.cost is not None
    assert found.calls.low == found.calls.point == found.calls.high == 600
    assert found.cost.point == pytest.approx(12.0)
    assert found.seconds is None


def test_it_is_never_less_than_what_is_made_and_spent() -> None:
    found = forecast(replace(HALF_WAY, accepted=20, started=60, calls=900, spent=90.0), 10.0)
    assert found is not None
    assert found.cost is not None
    assert found.seconds is not None
    assert found.calls.low == found.calls.point == 900
    assert found.cost.low == found.cost.high == 90.0
    assert found.seconds.low == 0


def test_no_more_calls_are_expected_than_the_bound_on_candidates_allows() -> None:
    found = forecast(replace(HALF_WAY, accepted=1, total=150), 10.0)
    assert found is not None
    assert found.calls.point <= found.calls.high <= 3 * 150


def test_a_target_has_an_interval_in_order_that_narrows() -> None:
    early, late = forecast(HALF_WAY, 10.0), forecast(replace(HALF_WAY, decided=110, accepted=18), 10.0)
    assert early is not None
    assert late is not None
    for found in (early, late):
        for interval in filter(None, (found.calls, found.cost, found.seconds)):
            assert interval.low <= interval.point <= interval.high
    assert late.calls.high - late.calls.low < early.calls.high - early.calls.low
