"""The progress of a run or job, read from the counts of its steps, as input to the forecast of its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from promptcot.core.statistics.forecast import Standing
from promptcot.pipeline.plan import PlannedStep
from promptcot.storage.counts import StageCounts


def standing_of_job(counts: StageCounts, total: int | None) -> Standing:
    """The progress of a job with one output and `total` rows."""
    calls_a_row, a_call = counts.calls_a_row, counts.cost_a_call
    return Standing(
        total,
        None,
        counts.rows_in,
        counts.rows_done,
        counts.rows_out,
        counts.calls + counts.reused,
        calls_a_row,
        counts.cost,
        None if a_call is None else calls_a_row * a_call,
    )


def standing_of_steps(
    groups: Sequence[Sequence[PlannedStep]], counts: Mapping[str, StageCounts], total: int | None
) -> Standing:
    """The progress of a job of several steps with `total` input rows."""
    of_groups = [counts[together[0].name] for together in groups]
    asked = [one for one in counts.values() if one.calls or one.reused]
    paid = [one.cost for one in asked if one.cost is not None]
    under_way = sum(one.rows_in - one.rows_done for one in of_groups)
    row_calls, row_cost = costs_of_a_row(groups, counts)
    return Standing(
        total,
        None,
        of_groups[0].rows_in,
        of_groups[0].rows_in - under_way,
        of_groups[-1].rows_out,
        sum(one.calls + one.reused for one in asked),
        row_calls,
        sum(paid) if paid else None,
        row_cost,
    )


def costs_of_a_row(
    groups: Iterable[Sequence[PlannedStep]], counts: Mapping[str, StageCounts]
) -> tuple[float, float | None]:
    """The calls of one row through all steps, and their cost; None if no call has a price.

    A step sees the rows that the steps before it let through. Parallel steps see the same rows, and a row continues if
    any of them returns it.
    """
    calls, cost, reaching = 0.0, None, 1.0
    for together in groups:
        for step in together:
            if step.stage is None:
                continue
            seen = counts[step.name]
            calls += reaching * seen.calls_a_row
            if seen.cost_a_call is not None:
                cost = (cost or 0.0) + reaching * seen.calls_a_row * seen.cost_a_call
        first = counts[together[0].name]
        if together[0].join is None and first.rows_done:
            reaching *= first.rows_written / first.rows_done
    return calls, cost
