"""Forecasts the total calls, cost and time of a run from its progress.

With a target the number of required rows is random, so each forecast is an interval, which narrows as rows are decided.
Pure: the caller provides the counts and the rate of calls.
"""

from __future__ import annotations

from dataclasses import dataclass

from promptcot.core.statistics.target import Interval, rows_to_target

_ENOUGH_ROWS = 20
_MOST, _BEGUN_BEYOND = 0.75, 16
_FASTER, _SLOWER = 1.5, 1.5


@dataclass(frozen=True, slots=True)
class Standing:
    """The progress of a run, in input rows: `started`, `decided` (finished), and `accepted`, which count towards a
    `target`. There are at most `total` input rows.

    `calls` were made or found in the journal. A row takes `row_calls` calls and costs `row_cost` on average; `spent` is
    the cost so far. Costs are None if no call has a price.
    """

    total: int | None
    target: int | None
    started: int
    decided: int
    accepted: int
    calls: int
    row_calls: float
    spent: float | None = None
    row_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The totals at the end: `calls` and `cost` (None without prices); and the remaining `seconds` (None while the rate
    is unknown).
    """

    calls: Interval
    cost: Interval | None
    seconds: Interval | None


def forecast(standing: Standing, calls_a_second: float | None) -> Forecast | None:
    """The forecast for the end of the run; None while too little is known, or if the end is undefined."""
    rows = _rows_asked_about(standing)
    if rows is None or standing.decided < _ENOUGH_ROWS:
        return None
    calls = rows.times(standing.row_calls).clipped(standing.calls)
    cost = None
    if standing.row_cost is not None:
        cost = rows.times(standing.row_cost).clipped(standing.spent or 0.0)
    return Forecast(calls, cost, _seconds(standing, calls, calls_a_second) if calls_a_second else None)


def _rows_asked_about(standing: Standing) -> Interval | None:
    """How many rows are sent to models until the end: those that the target needs, plus none, most or all of the rows
    started beyond it.
    """
    if standing.target is None:
        return Interval(*(3 * (float(standing.total),))) if standing.total else None
    more = rows_to_target(standing.target - standing.accepted, standing.accepted, standing.decided)
    most = standing.total or float("inf")
    needed = more.plus(standing.decided).clipped(0, most)
    beyond = max(0.0, standing.started - needed.point)
    asked = Interval(needed.low, needed.point + _MOST * beyond, max(needed.high + _BEGUN_BEYOND, standing.started))
    return asked.clipped(0, most)


def _seconds(standing: Standing, calls: Interval, a_second: float) -> Interval:
    """The remaining time. The rate may change, and finished rows may wait for a slow one before them: the upper bound
    assumes that no call was made for the rows under way.
    """
    low, point, high = (max(0.0, value - standing.calls) / a_second for value in (calls.low, calls.point, calls.high))
    under_way = (standing.started - standing.decided) * standing.row_calls / a_second
    return Interval(low / _FASTER, point, max(high * _SLOWER, under_way))
