"""The section `[plan]` of a recipe: rates for planning where none were measured, each with its origin.

Defines the rates and requires an origin for each: a `source`, or the statement that it is `assumed`. Also computes the
cost of a call and of a combination. `promptcot.planning` does the rest of the planning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Stated(_Keys):
    """A number and its origin: `source`, or `assumed` (true, or the reason). A bare number is assumed."""

    value: Amount
    source: Annotated[str, Field(min_length=1)] | None = None
    assumed: bool | str = False

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        return {"value": given, "assumed": True} if is_number else given

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if bool(self.source) == bool(self.assumed):
            raise ValueError('say where it is from: source = "…", or else assumed = true, or assumed = "why"')
        return self


class Share(Stated):
    """A fraction between 0 and 1."""

    value: Annotated[float, Field(gt=0, le=1)]


class Whole(Stated):
    """A whole number."""

    value: Annotated[int, Field(gt=0)]


class SampleRates(_Keys):
    """Rates of `sample`: CPU seconds for a combination, and the bytes of its row on disk."""

    seconds: Stated | None = None
    file_bytes: Stated | None = None


class AskedRates(_Keys):
    """Rates of a stage that calls a model.

    `gpus` is the number for one replica, tokens are for one call, and tokens per second for one GPU used only for this:
    prompt tokens are read, completion tokens written.
    """

    gpus: Whole | None = None
    prompt_tokens: Stated | None = None
    completion_tokens: Stated | None = None
    prompt_tokens_per_second: Stated | None = None
    completion_tokens_per_second: Stated | None = None
    file_bytes: Stated | None = None
    journal_bytes: Stated | None = None

    @property
    def gpu_seconds(self) -> float | None:
        """GPU-seconds per call; None if the rates are missing."""
        return gpu_seconds_of_a_call(
            _value(self.prompt_tokens),
            _value(self.prompt_tokens_per_second),
            _value(self.completion_tokens),
            _value(self.completion_tokens_per_second),
        )


def gpu_seconds_of_a_call(
    read: float | None, reading: float | None, written: float | None, writing: float | None
) -> float | None:
    """The time to read the prompt tokens and then write the completion tokens.

    None if the rate of writing is unknown. Reading is left out if its rate is unknown.
    """
    if written is None or writing is None:
        return None
    return written / writing + (read / reading if read and reading else 0.0)


def _value(rate: Stated | None) -> float | None:
    return None if rate is None else rate.value


class GenerateRates(AskedRates):
    """Rates of the generator: `kept` is the share of completions that can be parsed."""

    kept: Share | None = None


class SolveRates(AskedRates):
    """Rates of `solve`, which follows a run: its model, and the traces of a problem."""

    model: str = ""
    traces: Whole | None = None


class KeptRates(_Keys):
    """Rates of a step without a model: the share of rows that it keeps, and bytes for each input row."""

    kept: Share | None = None
    file_bytes: Stated | None = None


class VerifyRates(AskedRates):
    """Rates of each model that votes in `verify`: tokens of a vote; `kept` is the share of problems that are valid."""

    kept: Share | None = None


class DriverRates(_Keys):
    """Rates of the driver process.

    `call_seconds`: its CPU time for a call; with its one core it makes 1 / `call_seconds` calls a second.
    `memory_bytes`: the memory that it keeps for a combination.
    """

    call_seconds: Stated | None = None
    memory_bytes: Stated | None = None


class StatedRates(_Keys):
    """Rates of all stages. `gpu` is the GPU they were measured on; `gpu_hour` is the price of an hour of one."""

    gpu: str = ""
    gpu_hour: Stated | None = None
    sample: SampleRates = SampleRates()
    generate: GenerateRates = GenerateRates()
    judge: dict[str, AskedRates] = {}
    filter: KeptRates = KeptRates()
    verify: VerifyRates = VerifyRates()
    dedup: KeptRates = KeptRates()
    decontaminate: KeptRates = KeptRates()
    solve: SolveRates | None = None
    label: KeptRates = KeptRates()
    driver: DriverRates = DriverRates()

    def of(self, stage: str) -> tuple[str, AskedRates]:
        """The key and the rates of a stage; a custom stage has no rates."""
        verb, _, name = stage.partition("-")
        if verb == "judge":
            return f"judge.{name}", self.judge.get(name, AskedRates())
        known = {"generate": self.generate, "verify": self.verify, "solve": self.solve or SolveRates()}
        key = "verify" if verb == "verify" else stage
        return key, known.get(key, AskedRates())

    def work_of(self, stages: Iterable[str], calls: Mapping[str, int]) -> dict[str, float] | None:
        """GPU-seconds of one combination in each of these stages, which make `calls` calls a row; None where a rate is
        missing.
        """
        costs = {stage: self.of(stage)[1].gpu_seconds for stage in stages}
        known = {stage: cost for stage, cost in costs.items() if cost is not None}
        if len(known) < len(costs):
            return None
        return {stage: cost * calls.get(stage, 1) * self._reaching(stage) for stage, cost in known.items()}

    def _reaching(self, stage: str) -> float:
        """The share of combinations that reaches a stage; a step without a rate is taken to keep all rows."""
        before = {"generate": 0, "verify": 2, "solve": 5}.get(self.of(stage)[0], 1)
        steps = (self.generate, self.filter, self.verify, self.dedup, self.decontaminate)[:before]
        return math.prod(1.0 if step.kept is None else step.kept.value for step in steps)


class PlanRates(StatedRates):
    """All rates of a recipe. `rates` has named alternatives, such as those of FP8 weights, used on request: their
    values replace the values stated here.
    """

    rates: dict[str, StatedRates] = {}
