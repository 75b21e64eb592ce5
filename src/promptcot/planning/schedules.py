"""Computes the duration of a run on a number of GPUs, with models side by side or in turn, and the load of the driver.
Pure.

The driver is the process that calls all servers; it has one core. Side by side, rows stream through all models, and the
slowest of them or the driver sets the pace. In turn, each model has all GPUs until both model and driver are done.
Drivers that share the work (`--shard I/N`) divide the calls, but each draws all combinations. Traces that are not part
of the recipe follow when the problems are finished. `sharing` assigns the GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from promptcot.core.sharing import Work
from promptcot.planning.rates import Rates
from promptcot.planning.sharing import Part, in_turn, side_by_side
from promptcot.planning.stages import StagePlan, times, total
from promptcot.recipe.schema import Model

DRIVER = "driver"
_HOUR = 3600
_MOST_DRAWING = 0.5
"""If the draws of each driver take more than this share of the models' time, more drivers help little."""

Group = tuple[str, Sequence[StagePlan]]
"""Stages that use one model, with their names."""


@dataclass(frozen=True, slots=True)
class Driver:
    """The load of one driver in a schedule.

    `hours` are of its CPU, `share` is their part of the models' time without it, and `calls_per_second` is its average
    rate at that pace, of `capacity` if it did nothing else.
    """

    hours: float
    share: float
    calls_per_second: float
    capacity: float | None = None
    shards: int | None = 1
    """The number of drivers that keep up with the models; None if `drawing` takes too large a share of each one."""
    drawing: float = 0.0
    """The part of `share` spent on drawing the combinations."""
    gpus: float | None = None
    """With more GPUs than about this number, one driver takes longer than the models."""


@dataclass(frozen=True)
class Schedule:
    """One way to schedule the models. `slowest` sets the pace; an impossible schedule has `why`, and no hours.

    `hours` are with one driver, `sharded_hours` with as many as keep up, if that is more than one.
    """

    parts: tuple[Part, ...] = ()
    hours: float | None = None
    sharded_hours: float | None = None
    driver: Driver | None = None
    solve_hours: float | None = None
    slowest: str = ""
    money: float | None = None
    """The cost of all GPUs for the hours, busy or idle."""
    why: str = ""


_Together = Callable[[Mapping[str, float], Mapping[str, float]], float]
"""The duration, from the seconds of each model and of the driver for it."""


class Schedules:
    """The two ways to schedule the stages, on a number of GPUs and with a number of draws of combinations."""

    def __init__(self, rates: Rates, stages: Sequence[StagePlan], gpus: int, draws: float) -> None:
        self.rates, self.gpus = rates, gpus
        self.run = _by_model(stage for stage in stages if stage.calls and not stage.afterwards)
        self.solve = _by_model(stage for stage in stages if stage.afterwards)
        self.drawing = times(draws, rates.sample.get("seconds")) if draws < math.inf else None
        """None also for combinations that cannot be drawn at all: the time would be meaningless."""
        lacking = [f"{stage.name} ({', '.join(stage.missing)})" for stage in stages if stage.missing]
        self.unknown = Schedule(why=f"not known: {'; '.join(lacking)}") if lacking else None

    def side_by_side(self) -> Schedule:
        """All models at once."""
        works = _works(self.run)
        parts = side_by_side(works, self.gpus)
        if parts is None and not self.unknown:
            gpus = [work.gpus for work in works]
            each = f"{' + '.join(map(str, gpus))} = {sum(gpus)} GPUs"
            return Schedule(why=f"one replica of each model takes {each}, so models take turns")
        return self._schedule(parts or (), lambda models, driver: max([*models.values(), sum(driver.values())]))

    def in_turn(self) -> Schedule:
        """One model after the other."""
        return self._schedule(
            in_turn(_works(self.run), self.gpus),
            lambda models, driver: sum(max(seconds, driver[name]) for name, seconds in models.items()),
        )

    def _schedule(self, parts: Sequence[Part], together: _Together) -> Schedule:
        """With `solve`, which has all GPUs when the problems are there."""
        if self.unknown:
            return self.unknown
        models = {**_hosted(self.run), **{part.name: part.seconds for part in parts}}
        pace = together(models, dict.fromkeys(models, 0.0))
        driver = self._driver(pace)
        solving = sum(part.seconds for part in in_turn(_works(self.solve), self.gpus))
        hours = (together(models, self._spent(1)) + solving) / _HOUR
        more = driver.shards if driver and driver.shards and driver.shards > 1 else None
        return Schedule(
            tuple(parts),
            hours,
            (together(models, self._spent(more)) + solving) / _HOUR if more else None,
            driver,
            solving / _HOUR if self.solve else None,
            DRIVER if driver and driver.share > 1 else max(models, key=lambda name: models[name]),
            times(hours * self.gpus, self.rates.gpu_hour),
        )

    def _driver(self, pace: float) -> Driver | None:
        """The driver's load if the models take this many seconds; None if none of its rates is known."""
        call = self.rates.driver.get("call_seconds")
        if call is None and self.drawing is None:
            return None
        spent = sum(self._spent(1).values())
        stages = [stage for _, group in self.run for stage in group]
        gpu_hours = total(stage.gpu_hours for stage in stages if not stage.hosted)
        return Driver(
            spent / _HOUR,
            spent / pace,
            sum(stage.calls for stage in stages) / pace,
            None if call is None else 1 / call.value,
            self._shards(pace, spent),
            (self.drawing or 0.0) / pace,
            None if gpu_hours is None else gpu_hours * _HOUR / spent,
        )

    def _shards(self, pace: float, spent: float) -> int | None:
        """Each driver has to finish its calls in the time that drawing leaves."""
        drawing = self.drawing or 0.0
        if spent <= pace:
            return 1
        return None if drawing > _MOST_DRAWING * pace else math.ceil((spent - drawing) / (pace - drawing))

    def _spent(self, shards: int) -> dict[str, float]:
        """CPU-seconds of each of so many drivers, for the calls to each model; draws are made while problems are
        written.
        """
        call = self.rates.driver.get("call_seconds")
        return {
            name: sum(times(stage.calls, call) or 0.0 for stage in group) / shards
            + (self.drawing or 0.0 if "generate" in [stage.name for stage in group] else 0.0)
            for name, group in self.run
        }


def _works(groups: Sequence[Group]) -> list[Work]:
    """The work of each model on GPUs of ours."""
    return [
        Work(name, sum(stage.gpu_hours or 0.0 for stage in group) * _HOUR, group[0].replica)
        for name, group in groups
        if group[0].replica is not None
    ]


def _hosted(groups: Sequence[Group]) -> dict[str, float]:
    """Seconds of hosted models. Stages that ask the same one share what its server allows."""
    return {name: sum(stage.seconds or 0.0 for stage in group) for name, group in groups if group[0].hosted}


def _by_model(stages: Iterable[StagePlan]) -> list[Group]:
    """Stages that use one model share its replicas, or its server. The embedded models differ by stage."""
    groups: dict[object, list[StagePlan]] = {}
    for stage in stages:
        embedded = stage.model == Model().model and not stage.hosted
        place = stage.served_by if stage.hosted else stage.replica
        groups.setdefault((stage.name if embedded else stage.model, place), []).append(stage)
    return [(" + ".join(stage.name for stage in group), group) for group in groups.values()]
