"""Computes the plan from rates: the combinations needed for the target, and what all stages take. Pure.

The flow is `candidates × kept by generate × kept by filter = target`, times what each later step keeps. `stages`
computes the needs of a stage, `schedules` its duration. One-time work, such as the concepts' vectors or the start of
servers, is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from promptcot.core.statistics.wilson import wilson_interval
from promptcot.planning.rates import Kind, Rate, Rates
from promptcot.planning.schedules import Schedule, Schedules
from promptcot.planning.stages import StagePlan, stages_of, times, total
from promptcot.planning.supply import Supply


@dataclass(frozen=True)
class Plan:
    """The plan. `interval` is the 95 % interval of `candidates` by the accepted share, if that was measured."""

    target: int
    gpus: int
    accepted: Rate | None
    candidates: int | None
    interval: tuple[int, int | None] | None = None
    stages: tuple[StagePlan, ...] = ()
    side_by_side: Schedule = field(default_factory=Schedule)
    in_turn: Schedule = field(default_factory=Schedule)
    memory_bytes: float | None = None
    """Of the driver."""

    @property
    def gpu_hours(self) -> float | None:
        """GPU-hours of all models on our own GPUs; None if one is unknown."""
        return total(stage.gpu_hours for stage in self.stages if stage.calls and not stage.hosted)

    @property
    def storage(self) -> float | None:
        """Bytes of files and journals; None if one is unknown."""
        return total(stage.disk for stage in self.stages)

    @property
    def money(self) -> float | None:
        """The cost of the work alone; None if the price of a part is unknown."""
        return total(stage.money for stage in self.stages if stage.calls)


def make_plan(rates: Rates, target: int, gpus: int, supply: Supply | None = None) -> Plan:
    """The plan for a number of accepted problems on a number of GPUs. Raises TooFewGpus.

    With a `supply`, draws that repeat earlier ones are counted as the driver's work; without, every draw is new.
    """
    accepted = accepted_share(rates)
    if accepted is None:
        return Plan(target, gpus, None, None)
    candidates = math.ceil(target / accepted.value)
    stages = tuple(stages_of(rates, target, candidates))
    draws = candidates if supply is None else supply.draws_for(candidates)
    schedules = Schedules(rates, stages, gpus, draws)
    return Plan(
        target,
        gpus,
        accepted,
        candidates,
        _interval(target, accepted),
        stages,
        schedules.side_by_side(),
        schedules.in_turn(),
        times(candidates, rates.driver.get("memory_bytes")),
    )


def accepted_share(rates: Rates) -> Rate | None:
    """Accepted problems per combination; None if the share that one of the steps keeps is unknown."""
    shares = kept_by(rates)
    known = {name: rate for name, rate in shares.items() if rate is not None}
    if len(known) < len(shares):
        return None
    value = math.prod(rate.value for rate in known.values())
    kinds = {rate.kind for rate in known.values()}
    if kinds == {"measured"}:
        return Rate(value, "measured", known["filter"].origin, known["generate"].n, "combinations")
    worst: Kind = "assumed" if "assumed" in kinds else "stated"
    words = {"generate": "readable", "filter": "accepted"}
    return Rate(value, worst, " × ".join(f"{rate.value:.3g} {words.get(name, name)}" for name, rate in known.items()))


def kept_by(rates: Rates) -> dict[str, Rate | None]:
    """The share that each step keeps, by its name, in order: together they are the accepted share."""
    behind = {step.name: step.rates.get("kept") for step in rates.behind if step.name != "solve"}
    return {"generate": rates.asked[0]["kept"], "filter": rates.filter.get("kept"), **behind}


def _interval(target: int, accepted: Rate) -> tuple[int, int | None] | None:
    bounds = wilson_interval(round(accepted.value * accepted.n), accepted.n) if accepted.n else None
    if bounds is None:
        return None
    low, high = bounds
    return math.ceil(target / high), math.ceil(target / low) if low else None
