"""Computes the needs of each stage: rows, calls, tokens, GPU-hours, bytes and money, in proportion to its rows. Pure.

`schedules` computes how long it takes on a number of GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from promptcot.planning.rates import Rate, Rates, StageRates

_HOUR = 3600


@dataclass(frozen=True)
class StagePlan:
    """The needs of a stage. None means unknown; `missing` names the rates that would be needed for GPU-hours."""

    name: str
    rows_in: int
    rows_out: int
    model: str = ""
    calls: int = 0
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    replica: int | None = None
    """GPUs of a replica; None if the model is hosted, or this is unknown."""
    hosted: bool = False
    served_by: tuple[str, ...] = ()
    gpu_hours: float | None = None
    seconds: float | None = None
    """The time of a hosted model's server."""
    file_bytes: float | None = None
    journal_bytes: float | None = None
    money: float | None = None
    missing: tuple[str, ...] = ()
    afterwards: bool = False
    """Whether it runs after the run has ended."""

    @property
    def disk(self) -> float | None:
        """Bytes of its files and its journal; None if one is not known."""
        return total([self.file_bytes, self.journal_bytes]) if self.calls else self.file_bytes


def stages_of(rates: Rates, target: int, candidates: int) -> Iterable[StagePlan]:
    """All stages for a number of combinations, in order, and a number of final problems."""
    generate, *judges = rates.asked
    reaching = _reaching(rates, target)
    accepted = reaching[0]
    written = min(candidates, max(accepted, math.ceil(candidates * (generate.value("kept") or 1.0))))
    drawn = times(candidates, rates.sample.get("file_bytes"))
    yield StagePlan("sample", candidates, candidates, file_bytes=drawn)
    yield _stage_plan(generate, candidates, written, rates)
    for judge in judges:
        yield _stage_plan(judge, written, written, rates)
    yield StagePlan("filter", written, accepted, file_bytes=times(written, rates.filter.get("file_bytes")))
    for step, (rows_in, rows_out) in zip(rates.behind, pairwise(reaching), strict=True):
        for stage in step.asked:
            yield _stage_plan(stage, rows_in, rows_out, rates)
        if step.name not in [stage.name for stage in step.asked]:
            yield StagePlan(step.name, rows_in, rows_out, file_bytes=times(rows_in, step.rates.get("file_bytes")))
    if rates.solve is not None:
        traces = int(rates.solve.calls.value) if rates.solve.calls else 0
        yield replace(_stage_plan(rates.solve, target, target * traces, rates), afterwards=True)


def _reaching(rates: Rates, target: int) -> list[int]:
    """The rows that reach each step after `filter`, ending with those of the target."""
    rows = [target]
    for step in reversed(rates.behind):
        kept = step.rates.get("kept")
        rows.insert(0, math.ceil(rows[0] / (kept.value if kept else 1.0)))
    return rows


def _stage_plan(stage: StageRates, rows_in: int, rows_out: int, rates: Rates) -> StagePlan:
    calls = math.ceil(rows_in * stage.calls.value) if stage.calls else 0
    gpu_hours = None if stage.gpu_seconds is None else calls * stage.gpu_seconds / _HOUR
    prompt, completion = times(calls, stage["prompt_tokens"]), times(calls, stage["completion_tokens"])
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
        file_bytes=times(rows_in, stage["file_bytes"]),
        journal_bytes=times(rows_in, stage["journal_bytes"]),
        money=_money(stage, gpu_hours, prompt, completion, rates.gpu_hour),
        missing=tuple(_missing(stage)),
    )


def _missing(stage: StageRates) -> Iterable[str]:
    """The missing rates without which the duration of the stage is unknown."""
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
        return None if gpu_hours is None else times(gpu_hours, hour)
    price = stage.model.price
    return None if price is None or prompt is None or completion is None else price.of(prompt, completion)


def times(count: float, rate: Rate | None) -> float | None:
    """The amount at that rate; None if unknown."""
    return None if rate is None else count * rate.value


def total(amounts: Iterable[float | None]) -> float | None:
    """The sum; None if one is unknown, or there is none."""
    found = list(amounts)
    known = [amount for amount in found if amount is not None]
    return sum(known) if found and len(known) == len(found) else None
