"""The text of `promptcot plan`: the table of stages, the wall time, and what limits it.

Decides the wording only; `plan_rates` prints the rates. An unknown number is n/a, with one explanation of how to make
it known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from promptcot.cli.report.layout import hanging
from promptcot.cli.report.plan_rates import origin, rate_lines
from promptcot.cli.report.tables import table
from promptcot.core import units
from promptcot.core.units import counted, duration
from promptcot.planning.flow import Plan, kept_by
from promptcot.planning.measured import Found
from promptcot.planning.rates import Rates
from promptcot.planning.schedules import DRIVER, Driver, Schedule
from promptcot.planning.stages import StagePlan, total
from promptcot.planning.supply import Supply

_NAME = 16
_NOTHING = "–"

Said = tuple[str, str]
"""A line of the plan: its name and its text."""


@dataclass(frozen=True)
class Made:
    """A plan and its inputs. `waves` are the candidates of each wave of turns with --target, on one
    machine.
    """

    recipe: str
    plan: Plan
    rates: Rates
    found: Found | None
    origin: str
    supply: Supply
    has_vectors: bool
    waves: tuple[int, ...]


def lines(made: Made) -> Iterator[str]:
    """All lines about a plan."""
    plan = made.plan
    yield from _items(_head(made))
    if plan.candidates is not None:
        yield ""
        yield from table(list(_table(plan)))
        yield from _items(_under_the_table(plan))
        yield ""
        yield from _items(_wall(plan))
        yield ""
        yield "limits"
        yield from _items(_limits(made, plan.candidates))
    yield ""
    yield from rate_lines(made.rates)
    yield ""
    yield from _items([("not counted", _NOT_COUNTED)])


_NOT_COUNTED = (
    "the vectors of the concepts (once for a catalogue), server start-up, retried calls, disk space for models, "
    "grading of answers, training"
)


def _items(said: Iterable[Said]) -> Iterator[str]:
    """Each name with its text, wrapped with a hanging indent."""
    return (hanging(f"{name:<{_NAME}}", text) for name, text in said)


# Numbers


def _gpus(count: int) -> str:
    return units.counted(count, "GPU")


def _or_unknown(word: Callable[[float], str]) -> Callable[[float | None], str]:
    """The formatted number; n/a if it is unknown."""
    return lambda value: "n/a" if value is None else word(value)


@_or_unknown
def _number(value: float) -> str:
    """A number with three digits and a word for the power of a thousand; small numbers in full."""
    if value < 9_999.5:
        return f"{value:,.0f}" if value >= 99.95 or value == round(value) else f"{value:.3g}"
    return units.scaled(value, ("quadrillion", "trillion", "billion", "million", "thousand"))


@_or_unknown
def _size(size: float) -> str:
    return units.size(size)


@_or_unknown
def _time(hours: float) -> str:
    return duration(hours * 3600) if hours < 100 else f"{hours:,.0f} h ({hours / 24:,.0f} days)"


@_or_unknown
def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 99.5 else f"{hours:.3g}"


@_or_unknown
def _cost(money: float) -> str:
    return f"{money:,.0f}" if money >= 100 else f"{money:,.2f}"


# Resources


def _head(made: Made) -> Iterator[Said]:
    plan, like = made.plan, "as in the run" if made.found else made.rates.gpu
    on = f" ({like})" if like and plan.gpus else ""
    yield "plan", f"{made.recipe}: {counted(plan.target, 'accepted problem')} on {_gpus(plan.gpus)}{on}"
    yield "rates", made.origin
    for note in made.found.notes if made.found else ():
        yield "", f"note: {note}"
    if plan.accepted is None or plan.candidates is None:
        yield "accepted", _nobody_knows(made.rates)
        return
    measured = plan.accepted.kind == "measured"
    how = origin(plan.accepted) if measured else f"{plan.accepted.kind}; {plan.accepted.origin}"
    share = f"{plan.accepted.value:.3%} of combinations ({how}), so {plan.candidates:,} are needed"
    if plan.interval is None:
        yield "accepted", share
        return
    low, high = plan.interval
    yield "accepted", f"{share} (95 % interval {low:,} to {f'{high:,}' if high else 'any number'})"
    upper = f"{high / plan.candidates:.2f} times as much" if high else "no upper bound"
    yield "", f"everything below scales with this number: over the interval, {low / plan.candidates:.2f} to {upper}"


def _nobody_knows(rates: Rates) -> str:
    lacking = ", ".join(f"plan.{stage}.kept" for stage, rate in kept_by(rates).items() if rate is None)
    return (
        f"n/a, and so is everything that depends on it: {lacking} are neither measured nor stated. Run some problems "
        "first (promptcot run) and plan with --run and --run-gpus, or state rates in the section [plan] of the recipe "
        "(docs/scale.md)"
    )


def _table(plan: Plan) -> Iterator[tuple[str, ...]]:
    yield "stage", "rows in", "tokens read", "written", "GPU-hours", "on disk", "cost"
    yield from map(_row, plan.stages)
    asked = [stage for stage in plan.stages if stage.calls]
    read, written = (total(getattr(stage, name) for stage in asked) for name in ("prompt_tokens", "completion_tokens"))
    hours = _NOTHING if all(stage.hosted for stage in asked) else _hours(plan.gpu_hours)
    yield "in all", "", _number(read), _number(written), hours, _size(plan.storage), _cost(plan.money)


def _row(stage: StagePlan) -> tuple[str, ...]:
    name, rows, disk = stage.name, _number(stage.rows_in), _size(stage.disk)
    if not stage.calls and not stage.model:
        return name, rows, _NOTHING, _NOTHING, _NOTHING, disk, _NOTHING
    hours = "hosted" if stage.hosted else _hours(stage.gpu_hours)
    return name, rows, _number(stage.prompt_tokens), _number(stage.completion_tokens), hours, disk, _cost(stage.money)


def _under_the_table(plan: Plan) -> Iterator[Said]:
    journals = total(stage.journal_bytes for stage in plan.stages if stage.calls)
    if journals is None:
        yield "on disk", "n/a where file_bytes or journal_bytes are neither measured nor stated"
    else:
        yield (
            "on disk",
            f"journals take {_size(journals)} of it and can be removed after the run (promptcot clean)",
        )
    unpriced = [stage for stage in plan.stages if stage.calls and stage.money is None]
    if unpriced:
        hint = "the price of a GPU-hour (--set plan.gpu_hour=V)"
        if any(stage.hosted for stage in unpriced):
            hint = "prices of hosted models (price.prompt, price.completion), or of a GPU-hour (plan.gpu_hour)"
        yield "cost", f"n/a for {', '.join(stage.name for stage in unpriced)}: give {hint}"
    else:
        waiting = "; idle GPUs cost more, see below" if plan.gpu_hours else ""
        yield "cost", f"for the work alone, in the currency of the prices{waiting}"


def _wall(plan: Plan) -> Iterator[Said]:
    yield (
        "wall time",
        "side by side: all models at once. In turn: one model after another, each with all GPUs. Both hold for one "
        "machine and for a cluster (--ray-address)",
    )
    for name, schedule in (("  side by side", plan.side_by_side), ("  in turn", plan.in_turn)):
        if schedule.hours is None:
            yield name, f"n/a: {schedule.why}"
            continue
        cost = "" if schedule.money is None else f", {_cost(schedule.money)} for {_gpus(plan.gpus)}"
        who = "The driver" if schedule.slowest == DRIVER else schedule.slowest
        pace = "sets the pace" if schedule is plan.side_by_side else "takes the longest turn"
        yield name, f"{_time(schedule.hours)}{cost}. {who} {pace}"
        yield from (("", detail) for detail in _details(plan, schedule))


def _details(plan: Plan, schedule: Schedule) -> Iterator[str]:
    """The GPUs of each model and their hours, and the GPUs that stay free."""
    for part in schedule.parts:
        yield f"{part.name} {part.replicas:,} × {_gpus(part.gpus)}: {_time(part.seconds / 3600)}"
    spare = plan.gpus - sum(part.replicas * part.gpus for part in schedule.parts)
    if schedule is plan.side_by_side and schedule.parts and spare:
        slowest = max(schedule.parts, key=lambda part: part.seconds)
        yield f"{_gpus(spare)} unused: not enough for one more replica of {slowest.name}"
    if schedule.driver is None:
        yield "the driver's CPU time is unknown (plan.driver) and not counted"
    else:
        yield _busy(schedule.driver)
    if schedule.sharded_hours is not None and schedule.driver is not None:
        yield f"with {schedule.driver.shards} drivers (--shard, see below): {_time(schedule.sharded_hours)}"
    if schedule.solve_hours is not None:
        yield f"{_time(schedule.solve_hours)} of this is for solve, which runs afterwards with all GPUs"


def _busy(driver: Driver) -> str:
    calls = f"the models take {_number(driver.calls_per_second)} calls a second"
    return f"{calls}, which keep the driver busy for {_time(driver.hours)}, {driver.share:,.0%} of the models' time"


# Limits


def _limits(made: Made, candidates: int) -> Iterator[Said]:
    plan = made.plan
    yield "  concepts", _concepts(made.supply, candidates, "" if made.has_vectors else ", drawn without vectors")
    if driver := plan.side_by_side.driver or plan.in_turn.driver:
        yield "  driver", _driver(driver, plan.gpus)
    if plan.memory_bytes is not None:
        yield "  memory", f"the driver keeps {_size(plan.memory_bytes)} of combination data in memory"
    if made.waves and made.waves[-1] > candidates:
        waves, times = ", then ".join(map(_number, made.waves)), made.waves[-1] / candidates
        yield (
            "  target",
            f"in turn on one machine, --target {plan.target} processes {waves} combinations, {times:.2f} times the "
            f"work of this plan; --max-candidates {candidates} processes exactly the planned number",
        )


def _driver(driver: Driver, gpus: int) -> str:
    """The capacity of one driver, the number of GPUs it suffices for, and the number of drivers needed here."""
    said = [] if driver.capacity is None else [f"one driver makes up to {_number(driver.capacity)} calls a second"]
    if driver.gpus is not None:
        said.append(f"it keeps up with the models up to about {_gpus(math.floor(driver.gpus))}, whatever the target")
    return f"{'; '.join(said)}{'. ' if said else ''}{_shards(driver, gpus)}"


def _shards(driver: Driver, gpus: int) -> str:
    if driver.shards == 1:
        return f"One driver is enough for {_gpus(gpus)}"
    if driver.shards is None:
        return (
            f"Drawing combinations alone takes {driver.drawing:,.0%} of the models' time, and each driver draws all of "
            "them, so more drivers help little: see concepts, or use fewer GPUs"
        )
    first, last = f"--shard 1/{driver.shards}", f"--shard {driver.shards}/{driver.shards}"
    return (
        f"{_gpus(gpus)} need {driver.shards} drivers, each with its share of the rows and of the GPUs: {first} to "
        f"{last}; promptcot merge joins their outputs"
    )


def _concepts(supply: Supply, candidates: int, without: str) -> str:
    needed = f"{_number(candidates)} {'combination is' if candidates == 1 else 'combinations are'} needed"
    possible = f"{_number(supply.possible)} {'is' if supply.possible == 1 else 'are'} possible"
    shown = (
        f"{needed}, {possible}. In a trial of {counted(supply.draws, 'draw')}{without}, "
        f"{supply.different:,} differed, and at the end {supply.new:.1%} of draws were new"
    )
    if candidates > supply.possible:
        return f"TOO FEW: {shown}. Add concepts (concepts.path) or use larger combinations"
    if candidates <= supply.reach:
        return f"{shown}: at least about {_number(supply.reach)} are available"
    draws = supply.draws_for(candidates)
    effort = (
        f"{_number(candidates)} need at least {_number(draws)} draws"
        if draws < math.inf
        else "no further draw would be new"
    )
    longer = "; a longer trial may show more (--draws)" if supply.new > 0.5 else ""
    return (
        f"WARNING: {shown}: the trial supports only about {_number(supply.reach)}, and {effort}. For more, set "
        f"sample.counts='log1p', raise sample.temperature, or add concepts (concepts.path){longer}"
    )
