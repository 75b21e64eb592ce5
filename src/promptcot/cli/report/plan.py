"""What `promptcot plan` prints: the table of stages, the wall time, what limits it and when that moves.

Decides the words only; those of the rates are in `planned_rates`. A number that is not known is n/a; what would make it
known is said once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from promptcot.cli.report.layout import hanging
from promptcot.cli.report.plan_rates import Sources, origin, rate_lines
from promptcot.core.units import duration
from promptcot.planning.flow import DRIVER, Plan, Schedule, StagePlan, total
from promptcot.planning.measured import Found
from promptcot.planning.rates import Rates
from promptcot.planning.supply import Supply

_NAME = 16
_NOTHING = "–"


@dataclass(frozen=True)
class Made:
    """A plan and what it was made from. `waves` are the candidates of each wave of turns with --target."""

    recipe: str
    plan: Plan
    rates: Rates
    found: Found | None
    origin: str
    supply: Supply
    has_vectors: bool
    waves: tuple[int, ...]


def lines(made: Made) -> Iterator[str]:
    """Everything about a plan, ready to print."""
    plan, like = made.plan, "those of the run" if made.found else made.rates.gpu
    on = f" ({like})" if like and plan.gpus else ""
    yield f"promptcot plan {made.recipe}: {plan.target:,} accepted problems on {_things(plan.gpus, 'GPU')}{on}"
    yield from _item("rates", made.origin)
    for note in made.found.notes if made.found else ():
        yield from _item("", f"note: {note}")
    sources = Sources()
    yield from _candidates(made, sources)
    if plan.candidates is not None:
        yield ""
        yield from _table(plan)
        yield from _under_the_table(made)
        yield ""
        yield from _wall(made)
        yield ""
        yield from _limits(made)
    yield ""
    yield from rate_lines(made.rates, sources)
    yield from sources.lines()
    yield ""
    yield from _item(
        "not counted",
        "the concepts' vectors, once for a catalogue; starting servers; calls that are made again; the disk that "
        "models take; labels and training",
    )


# Words


def _item(name: str, text: str) -> Iterator[str]:
    """A name and what is said of it, wrapped under itself."""
    yield hanging(f"{name:<{_NAME}}", text)


def _things(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _number(value: float | None) -> str:
    """Three digits and a word for the power of a thousand; small ones as they are."""
    if value is None:
        return "n/a"
    if value < 9_999.5:
        return f"{value:,.0f}" if value >= 99.95 or value == round(value) else f"{value:.3g}"
    return _scaled(value, ("quadrillion", "trillion", "billion", "million", "thousand")) or f"{value:,.0f}"


def _size(size: float | None) -> str:
    if size is None:
        return "n/a"
    return _scaled(size, ("PB", "TB", "GB", "MB", "kB")) or f"{size:.0f} B"


def _scaled(value: float, words: tuple[str, ...]) -> str | None:
    """Three digits and the word for the largest power of a thousand that the value reaches, if any."""
    for power, word in zip((1e15, 1e12, 1e9, 1e6, 1e3), words, strict=True):
        if value >= 0.9995 * power:
            three = value / power
            return f"{three:.{2 if three < 9.995 else 1 if three < 99.95 else 0}f} {word}"
    return None


def _time(hours: float | None) -> str:
    if hours is None:
        return "n/a"
    if hours < 100:
        return duration(hours * 3600)
    return f"{hours:,.0f} h ({hours / 24:,.0f} days)"


def _hours(hours: float | None) -> str:
    if hours is None:
        return "n/a"
    return f"{hours:,.0f}" if hours >= 99.5 else f"{hours:.3g}"


def _cost(money: float | None) -> str:
    if money is None:
        return "n/a"
    return f"{money:,.0f}" if money >= 100 else f"{money:,.2f}"


# What it takes


def _candidates(made: Made, sources: Sources) -> Iterator[str]:
    plan, accepted = made.plan, made.plan.accepted
    if accepted is None or plan.candidates is None:
        lacking = [
            f"plan.{key}.kept"
            for key, rate in (("generate", made.rates.asked[0]["kept"]), ("filter", made.rates.filter.get("kept")))
            if rate is None
        ]
        yield from _item(
            "accepted",
            f"n/a: nobody knows what share of combinations becomes accepted problems ({', '.join(lacking)} neither "
            "measured nor stated), and so nothing else. Run some first (promptcot run), and plan with --run and "
            "--run-gpus; or state rates in the section [plan] of the recipe (docs/scale.md)",
        )
        return
    between = ""
    if plan.interval:
        low, high = plan.interval
        between = f" (95 % interval {low:,} to {f'{high:,}' if high else 'any number'})"
    words = origin(accepted, None)
    how = f"; {accepted.origin}" if accepted.kind != "measured" else ""
    yield from _item(
        "accepted", f"{accepted.value:.3%} of combinations ({words}{how}): {plan.candidates:,} of them{between}"
    )
    if plan.interval:
        least, most = plan.interval
        upper = f"{most / plan.candidates:.2f} times as much" if most else "without a bound"
        words = f"all that follows is in proportion to them: by the interval {least / plan.candidates:.2f} to {upper}"
        yield from _item("", words)


def _table(plan: Plan) -> Iterator[str]:
    head = ("stage", "rows in", "tokens read", "written", "GPU-hours", "on disk", "cost")
    rows = [_row(stage) for stage in plan.stages]
    asked = [stage for stage in plan.stages if stage.calls]
    last = (
        "in all",
        "",
        _number(total(stage.prompt_tokens for stage in asked)),
        _number(total(stage.completion_tokens for stage in asked)),
        _hours(plan.gpu_hours) if any(not stage.hosted for stage in asked) else _NOTHING,
        _size(plan.storage),
        _cost(plan.money),
    )
    table = [head, *rows, last]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        cells = [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield f"{row[0]:<{widths[0]}}   " + "   ".join(cells)


def _row(stage: StagePlan) -> tuple[str, ...]:
    rows, disk = _number(stage.rows_in), _size(_disk(stage))
    if not stage.calls and not stage.model:
        return (stage.name, rows, _NOTHING, _NOTHING, _NOTHING, disk, _NOTHING)
    return (
        stage.name,
        rows,
        _number(stage.prompt_tokens),
        _number(stage.completion_tokens),
        "hosted" if stage.hosted else _hours(stage.gpu_hours),
        disk,
        _cost(stage.money),
    )


def _disk(stage: StagePlan) -> float | None:
    if not stage.calls:
        return stage.file_bytes
    return total([stage.file_bytes, stage.journal_bytes])


def _under_the_table(made: Made) -> Iterator[str]:
    plan = made.plan
    journals = total(stage.journal_bytes for stage in plan.stages if stage.calls)
    yield from _item(
        "on disk",
        "n/a where file_bytes or journal_bytes are neither measured nor stated"
        if journals is None or plan.work_bytes is None
        else f"journals are {_size(journals)} of it, and may be deleted when the run has ended; a cluster's work "
        f"folder takes up to {_size(plan.work_bytes)} more while it works (rows and replies once more, uncompressed)",
    )
    if plan.money is None:
        unpriced = [stage.name for stage in plan.stages if stage.calls and stage.money is None]
        hint = "the price of a GPU-hour (--set plan.gpu_hour=V)"
        if any(stage.hosted for stage in plan.stages if stage.name in unpriced):
            hint = "prices of hosted models (price.prompt, price.completion), or of a GPU-hour (plan.gpu_hour)"
        yield from _item("cost", f"n/a for {', '.join(unpriced)}: give {hint}")
    else:
        waiting = "; GPUs that wait cost as well, see below" if plan.gpu_hours else ""
        yield from _item("cost", f"of the work alone, in the currency of the prices{waiting}")


def _wall(made: Made) -> Iterator[str]:
    yield from _item(
        "wall time",
        "side by side: all models at once, on one machine or behind addresses (base_url). In turn: each model has all "
        "GPUs, as with --runner ray",
    )
    yield from _schedule("side by side", made, made.plan.side_by_side, "replicas")
    yield from _schedule("in turn", made, made.plan.in_turn, "turns")


def _schedule(name: str, made: Made, schedule: Schedule, kind: str) -> Iterator[str]:
    plan = made.plan
    if schedule.hours is None:
        turns = ", so models take turns" if kind == "replicas" and not schedule.why.startswith("not known") else ""
        yield from _item(f"  {name}", f"n/a: {schedule.why}{turns}")
        return
    cost = "" if schedule.money is None else f", {_cost(schedule.money)} for {_things(plan.gpus, 'GPU')}"
    yield from _item(f"  {name}", f"{_time(schedule.hours)}{cost}. {_pace(schedule, kind)}")
    for part in schedule.parts:
        share = f"{part.name} {part.replicas:,} × {_things(part.gpus, 'GPU')}"
        yield from _item("", f"{share}: {_time(part.seconds / 3600)}")
    if kind == "replicas" and schedule.parts and (spare := plan.gpus - schedule.busy):
        slowest = max(schedule.parts, key=lambda part: part.seconds)
        yield from _item("", f"{_things(spare, 'GPU')} left over: no room for one more replica of {slowest.name}")
    if schedule.driver_hours is None:
        yield from _item("", "the driver's CPU is not known (plan.driver), and not counted")
    elif kind == "replicas":
        yield from _item("", f"the driver's CPU is busy for {_time(schedule.driver_hours)} of it")
    else:
        yield from _item("", f"{_time(schedule.driver_hours)} of it are the driver's, in which GPUs wait")
    if schedule.solve_hours is not None:
        yield from _item("", f"{_time(schedule.solve_hours)} of it are solve's, afterwards, with all GPUs")


def _pace(schedule: Schedule, kind: str) -> str:
    if kind == "replicas":
        return f"{_who(schedule.slowest)} sets the pace"
    return f"{_who(schedule.slowest)} takes the longest turn"


def _who(name: str) -> str:
    return "The driver" if name == DRIVER else name


# What limits it


def _limits(made: Made) -> Iterator[str]:
    yield "limits"
    yield from _concepts(made)
    yield from _driver(made.plan)
    if made.plan.memory_bytes is not None:
        yield from _item("  memory", f"the driver remembers {_size(made.plan.memory_bytes)} about the combinations")
    yield from _target(made)


def _concepts(made: Made) -> Iterator[str]:
    supply, needed = made.supply, made.plan.candidates or 0
    without = "" if made.has_vectors else ", drawn without vectors"
    shown = (
        f"{_number(needed)} combinations are needed, {_number(supply.possible)} are possible. In a trial of "
        f"{supply.draws:,} draws{without}, {supply.different:,} differed, and at the end {supply.new:.1%} of draws "
        "were new"
    )
    if needed > supply.possible:
        yield from _item("  concepts", f"TOO FEW: {shown}. Take more concepts (concepts.path) or larger combinations")
        return
    if needed <= supply.reach:
        yield from _item("  concepts", f"{shown}: at least about {_number(supply.reach)} can come")
        return
    draws = supply.draws_for(needed)
    effort = (
        "none would be new any more" if math.isinf(draws) else f"{_number(needed)} take at least {_number(draws)} draws"
    )
    yield from _item(
        "  concepts",
        f"WARNING: {shown}: it shows no more than about {_number(supply.reach)}, and {effort}. More come with "
        "sample.counts='log1p', a higher sample.temperature, or more concepts (concepts.path)"
        + ("; a longer trial may show more (--draws)" if supply.new > 0.5 else ""),
    )


def _driver(plan: Plan) -> Iterator[str]:
    side, turn = plan.gpus_for_driver(plan.side_by_side), plan.gpus_for_driver(plan.in_turn)
    parts = [
        f"{name} above {_things(math.ceil(gpus), 'GPU')}"
        for name, gpus in (("side by side", side), ("in turn", turn))
        if gpus is not None
    ]
    if parts:
        yield from _item(
            "  driver",
            f"its CPU takes longer than the models {' and '.join(parts)}, whatever the target: then split the work "
            "into runs with seeds and folders of their own",
        )


def _target(made: Made) -> Iterator[str]:
    plan = made.plan
    if made.waves and plan.candidates and made.waves[-1] > plan.candidates:
        waves = ", then ".join(_number(wave) for wave in made.waves)
        yield from _item(
            "  target",
            f"in turn, --target {plan.target} asks about {waves} combinations, {made.waves[-1] / plan.candidates:.2f} "
            f"times the work: --max-candidates {plan.candidates} asks about as many as this plan",
        )
