"""From the calls of a trial to the time and the cost of the whole recipe. Pure.

A stage needs `rows × completion tokens per call / tokens per second`; its cost is `rows × price of an average call`.
Every row is counted for every stage, as if nothing were dropped on the way. The longest time adds the stages up at the
trial's rate. The shortest assumes that the rate grows with the calls at a time, which no machine keeps up for ever: the
truth lies between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptcot.core.units import duration
from promptcot.doctor.findings import Finding, note
from promptcot.doctor.watching import Watch
from promptcot.pipeline.plan import PlannedStep
from promptcot.recipe.schema import Limits


@dataclass(frozen=True, slots=True)
class Estimate:
    """For so many rows: seconds, and the cost of the stages that have a price (None if none has)."""

    rows: int
    shortest: float
    longest: float
    cost: float | None


def estimate(
    limits: Limits, stages: Sequence[PlannedStep], watches: Mapping[str, Watch], tried: int, rows: int
) -> Estimate:
    """The whole for `rows` rows, from a trial of `tried`; stages of which nothing was seen are left out."""
    seen = {name: watch for name, watch in watches.items() if watch.calls}
    longest = sum(rows * watch.seconds / watch.calls for watch in seen.values())
    at_a_time = max(1, min(limits.concurrency, rows))
    costs = [
        rows / watch.calls * price.of(watch.prompt_tokens, watch.completion_tokens)
        for step in stages
        if (price := step.asked.price) is not None and (watch := seen.get(step.name)) is not None
    ]
    return Estimate(rows, longest * min(1.0, tried / at_a_time), longest, sum(costs) if costs else None)


def tell_estimate(
    limits: Limits, stages: Sequence[PlannedStep], watches: Mapping[str, Watch], tried: int, accepted: int
) -> Iterator[Finding]:
    """The estimate for the bound of the recipe and, where there is a target, for what the trial's yield suggests."""
    target = limits.target
    if target and accepted:
        rows = min(limits.candidates, -(-target * tried // accepted))
        whole = estimate(limits, stages, watches, tried, rows)
        yield note(f"estimate for {target:,} accepted, if {accepted} of {tried} are: {_told(whole)}")
    elif target:
        yield note(f"none of {tried} was accepted, so it is open how many combinations {target:,} accepted ones take")
    whole = estimate(limits, stages, watches, tried, limits.candidates)
    yield note(f"estimate for {'at most ' if target else ''}{_told(whole)}")
    yield note(
        f"computed as rows × seconds per row of each stage, added up: the shorter time is for a rate that grows from "
        f"{tried} calls at a time to {max(1, min(limits.concurrency, whole.rows)):,}, the longer for one that does "
        f"not grow; {tried} rows are few, too few for an interval"
    )
    yield from _left_out(stages, watches)


def _told(whole: Estimate) -> str:
    cost = "" if whole.cost is None else f", cost about {whole.cost:,.2f}"
    time = "under a second" if whole.longest < 1 else f"{duration(whole.shortest)} to {duration(whole.longest)}"
    return f"{whole.rows:,} combinations: {time}{cost}"


def _left_out(stages: Sequence[PlannedStep], watches: Mapping[str, Watch]) -> Iterator[Finding]:
    unseen = [name for name, watch in watches.items() if not watch.calls]
    if unseen:
        yield note(f"not in the estimate, since nothing reached it: {', '.join(unseen)}")
    hosted = [step.name for step in stages if step.asked.base_url and step.asked.price is None]
    if hosted:
        yield note(
            f"no cost is told for {', '.join(hosted)}: the recipe has no price there (price.prompt, price.completion)"
        )
