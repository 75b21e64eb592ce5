"""From rates to the plan: rows of every stage, GPU-hours, bytes, money, wall time, and what limits it. Pure.

The flow is `candidates × kept by generate × kept by filter = target`. All that a stage takes is proportional to the
rows that come into it. `solve` follows when the problems are there. What only exists once, such as the concepts'
vectors or the start of servers, is left out. Who gets which GPUs is decided in `sharing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from promptcot.core.sharing import Work
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.planning.rates import Kind, Rate, Rates, StageRates
from promptcot.planning.sharing import Part, in_turn, side_by_side
from promptcot.planning.supply import Supply
from promptcot.recipe.schema import Model

DRIVER = "driver"
_HOUR = 3600


@dataclass(frozen=True)
class StagePlan:
    """What a stage takes. None is what is not known; `missing` names the rates that would be needed for GPU-hours."""

    name: str
    rows_in: int
    rows_out: int
    model: str = ""
    calls: int = 0
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    replica: int | None = None
    """GPUs of a replica; None where the model is hosted, or this is not known."""
    hosted: bool = False
    served_by: tuple[str, ...] = ()
    gpu_hours: float | None = None
    seconds: float | None = None
    """Of a hosted model: how long its server takes."""
    file_bytes: float | None = None
    journal_bytes: float | None = None
    money: float | None = None
    missing: tuple[str, ...] = ()

    @property
    def disk(self) -> float | None:
        """Bytes of its files and its journal; None if one is not known."""
        return total([self.file_bytes, self.journal_bytes]) if self.calls else self.file_bytes


@dataclass(frozen=True)
class Schedule:
    """One way to work through the models. `slowest` sets the pace; what is not possible has `why`, and no hours."""

    parts: tuple[Part, ...] = ()
    hours: float | None = None
    driver_hours: float | None = None
    solve_hours: float | None = None
    slowest: str = ""
    money: float | None = None
    """What all GPUs cost for the hours, whether they work or wait."""
    why: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything. `interval` is the 95 % interval of `candidates` by the accepted share, where that was measured."""

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
    work_bytes: float | None = None
    """Of the folder in which a cluster works, while it does: each row and each reply once more, uncompressed."""

    @property
    def gpu_hours(self) -> float | None:
        """Of all models that run on GPUs of ours; None if one is not known."""
        return total(stage.gpu_hours for stage in self.stages if stage.calls and not stage.hosted)

    @property
    def storage(self) -> float | None:
        """Bytes of files and journals; None if one is not known."""
        return total(stage.disk for stage in self.stages)

    @property
    def money(self) -> float | None:
        """Of the work alone; None if the price of a part is not known."""
        return total(stage.money for stage in self.stages if stage.calls)

    def gpus_for_driver(self, schedule: Schedule) -> float | None:
        """With more GPUs than this, the driver takes longer than the models of the run do."""
        run = [stage for stage in self.stages if stage.calls and stage.name != "solve" and not stage.hosted]
        hours = total(stage.gpu_hours for stage in run)
        return None if hours is None or not schedule.driver_hours else hours / schedule.driver_hours


def make_plan(rates: Rates, target: int, gpus: int, supply: Supply | None = None) -> Plan:
    """The plan for so many accepted problems on so many GPUs. Raises TooFewGpus.

    With a `supply`, draws that bring nothing new are counted as the driver's work; without, every draw is new.
    """
    accepted = accepted_share(rates)
    if accepted is None:
        return Plan(target, gpus, None, None)
    candidates = math.ceil(target / accepted.value)
    stages = tuple(_stages(rates, target, candidates))
    draws = candidates if supply is None else supply.draws_for(candidates)
    schedules = _Schedules(rates, stages, gpus, draws)
    return Plan(
        target,
        gpus,
        accepted,
        candidates,
        _interval(target, accepted),
        stages,
        schedules.side_by_side(),
        schedules.in_turn(),
        _times(candidates, rates.driver.get("memory_bytes")),
        _work_bytes(stages),
    )


def accepted_share(rates: Rates) -> Rate | None:
    """Accepted problems for each combination; None where it is not known what generator or filter keep."""
    written, judged = rates.asked[0]["kept"], rates.filter.get("kept")
    if written is None or judged is None:
        return None
    value = written.value * judged.value
    kinds = {written.kind, judged.kind}
    if kinds == {"measured"}:
        return Rate(value, "measured", judged.origin, written.n, "combinations")
    worst: Kind = "assumed" if "assumed" in kinds else "stated"
    return Rate(value, worst, f"{written.value:.3g} written readably × {judged.value:.3g} accepted")


def _interval(target: int, accepted: Rate) -> tuple[int, int | None] | None:
    bounds = wilson_interval(round(accepted.value * accepted.n), accepted.n) if accepted.n else None
    if bounds is None:
        return None
    low, high = bounds
    return math.ceil(target / high), math.ceil(target / low) if low else None


def _stages(rates: Rates, target: int, candidates: int) -> Iterable[StagePlan]:
    generate, *judges = rates.asked
    written = min(candidates, max(target, math.ceil(candidates * (generate.value("kept") or 1.0))))
    drawn = _times(candidates, rates.sample.get("file_bytes"))
    yield StagePlan("sample", candidates, candidates, file_bytes=drawn)
    yield _asked(generate, candidates, written, rates)
    for judge in judges:
        yield _asked(judge, written, written, rates)
    yield StagePlan("filter", written, target, file_bytes=_times(written, rates.filter.get("file_bytes")))
    if rates.solve is not None:
        traces = int(rates.solve.calls.value) if rates.solve.calls else 0
        yield _asked(rates.solve, target, target * traces, rates)


def _asked(stage: StageRates, rows_in: int, rows_out: int, rates: Rates) -> StagePlan:
    calls = math.ceil(rows_in * stage.calls.value) if stage.calls else 0
    gpu_hours = None if stage.gpu_seconds is None else calls * stage.gpu_seconds / _HOUR
    prompt, completion = _times(calls, stage["prompt_tokens"]), _times(calls, stage["completion_tokens"])
    return StagePlan(
        stage.name,
        rows_in,
        rows_out,
        stage.model.model,
        calls,
        prompt,
        completion,
        replica=None if stage.hosted or stage["gpus"] is None else int(stage["gpus"].value),
        hosted=stage.hosted,
        served_by=tuple(stage.model.base_url),
        gpu_hours=gpu_hours,
        seconds=None if stage.seconds_hosted is None else calls * stage.seconds_hosted,
        file_bytes=_times(rows_in, stage["file_bytes"]),
        journal_bytes=_times(rows_in, stage["journal_bytes"]),
        money=_money(stage, gpu_hours, prompt, completion, rates.gpu_hour),
        missing=tuple(_missing(stage)),
    )


def _missing(stage: StageRates) -> Iterable[str]:
    """The rates without which nobody can say how long the stage takes."""
    if stage.calls is None:
        yield "traces"
    if stage.hosted:
        if stage.seconds_hosted is None:
            yield "requests_per_minute or tokens_per_minute"
        return
    if stage["gpus"] is None:
        yield "gpus"
    if stage.gpu_seconds is None:
        yield from (name for name in ("completion_tokens", "completion_tokens_per_second") if stage[name] is None)


def _money(
    stage: StageRates, gpu_hours: float | None, prompt: float | None, completion: float | None, hour: Rate | None
) -> float | None:
    if not stage.hosted:
        return None if gpu_hours is None else _times(gpu_hours, hour)
    price = stage.model.price
    return None if price is None or prompt is None or completion is None else price.of(prompt, completion)


class _Schedules:
    """The two ways to work through the stages, on so many GPUs and with so many draws of combinations."""

    def __init__(self, rates: Rates, stages: Sequence[StagePlan], gpus: int, draws: float) -> None:
        self.rates, self.gpus, self.draws = rates, gpus, draws
        self.run = [stage for stage in stages if stage.calls and stage.name != "solve"]
        self.solve = [stage for stage in stages if stage.name == "solve"]
        lacking = [f"{stage.name} ({', '.join(stage.missing)})" for stage in stages if stage.missing]
        self.unknown = Schedule(why=f"not known: {'; '.join(lacking)}") if lacking else None

    def side_by_side(self) -> Schedule:
        """All models at once; the local runner holds them together."""
        works = _works(self.run)
        parts = side_by_side(works, self.gpus)
        if parts is None and not self.unknown:
            gpus = [work.gpus for work in works]
            each = f"{' + '.join(map(str, gpus))} = {sum(gpus)} GPUs"
            return Schedule(why=f"one replica of each model takes {each}, so models take turns")
        return self._schedule(parts or (), self._driver("call_seconds", 1), max)

    def in_turn(self) -> Schedule:
        """One model after the other, as on a cluster. The driver writes rows down before a turn and gathers them after
        it, while the GPUs wait; it draws the combinations anew for each turn, and once for the files.
        """
        driver = self._driver("row_seconds", len(self.run) + 1)
        return self._schedule(in_turn(_works(self.run), self.gpus), driver, sum)

    def _schedule(
        self, parts: Sequence[Part], driver: float | None, together: Callable[[Iterable[float]], float]
    ) -> Schedule:
        """With `solve`, which has all GPUs when the problems are there; the run's times are put `together`."""
        if self.unknown:
            return self.unknown
        times = {**_hosted(self.run), **{part.name: part.seconds for part in parts}, DRIVER: driver or 0.0}
        solving = sum(part.seconds for part in in_turn(_works(self.solve), self.gpus)) if self.solve else None
        hours = (together(times.values()) + (solving or 0.0)) / _HOUR
        return Schedule(
            tuple(parts),
            hours,
            None if driver is None else driver / _HOUR,
            None if solving is None else solving / _HOUR,
            max(times, key=lambda name: times[name]),
            _times(hours * self.gpus, self.rates.gpu_hour),
        )

    def _driver(self, rate: str, drawings: int) -> float | None:
        """Its seconds for the calls of the run, each with one row, and for so many drawings of all combinations.

        Combinations that cannot come at all take no time that could be told.
        """
        calling = _times(sum(stage.calls for stage in self.run), self.rates.driver.get(rate))
        drawing = _times(self.draws * drawings, self.rates.sample.get("seconds")) if self.draws < math.inf else None
        return None if calling is None and drawing is None else (calling or 0.0) + (drawing or 0.0)


def _works(stages: Iterable[StagePlan]) -> list[Work]:
    """The work of each model on GPUs of ours."""
    ours = [stage for stage in stages if stage.replica is not None]
    return [
        Work(name, sum(stage.gpu_hours or 0.0 for stage in group) * _HOUR, group[0].replica or 0)
        for name, group in _by_model(ours)
    ]


def _hosted(stages: Iterable[StagePlan]) -> dict[str, float]:
    """Seconds of hosted models. Stages that ask the same one share what its server allows."""
    hosted = [stage for stage in stages if stage.hosted]
    return {name: sum(stage.seconds or 0.0 for stage in group) for name, group in _by_model(hosted)}


def _by_model(stages: Iterable[StagePlan]) -> Iterable[tuple[str, list[StagePlan]]]:
    """Stages that ask one model, with their names; they share its replicas. The embedded models differ by stage."""
    groups: dict[object, list[StagePlan]] = {}
    for stage in stages:
        embedded = stage.model == Model().model and not stage.hosted
        place = stage.served_by if stage.hosted else stage.replica
        groups.setdefault((stage.name if embedded else stage.model, place), []).append(stage)
    return [(" + ".join(stage.name for stage in group), group) for group in groups.values()]


def _work_bytes(stages: Sequence[StagePlan]) -> float | None:
    """Rows that go out, what comes back, and the calls: of each stage of a run that asks a model."""
    rows = {stage.name: stage.file_bytes for stage in stages}
    asked = [stage for stage in stages if stage.calls and stage.name != "solve"]
    out = [rows["sample" if stage.name == "generate" else "generate"] for stage in asked]
    return total([*out, *(size for stage in asked for size in (stage.file_bytes, stage.journal_bytes))])


def _times(count: float, rate: Rate | None) -> float | None:
    return None if rate is None else count * rate.value


def total(amounts: Iterable[float | None]) -> float | None:
    """The sum; None if one is not known, or there is none."""
    found = list(amounts)
    known = [amount for amount in found if amount is not None]
    return sum(known) if found and len(known) == len(found) else None
