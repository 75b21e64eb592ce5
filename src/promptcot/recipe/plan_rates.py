"""The section `[plan]` of a recipe: rates to plan with where none were measured, each with its origin.

Decides which rates there are and that none comes without an origin: a `source`, or the admission that it is `assumed`.
What they are used for is decided in `rates` and `flow`.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stated(_Keys):
    """A number, and where it is from: `source`, or `assumed` (true, or why). A bare number is assumed."""

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
    """A part of a whole."""

    value: Annotated[float, Field(gt=0, le=1)]


class Whole(Stated):
    """A number of things."""

    value: Annotated[int, Field(gt=0)]


class SampleRates(_Keys):
    """Of `sample`: CPU seconds for a combination, and bytes of its row. Bytes are on disk, for a row that comes in."""

    seconds: Stated | None = None
    file_bytes: Stated | None = None


class AskedRates(_Keys):
    """Of a stage that asks a model.

    `gpus` is of one replica, tokens are of one call, tokens per second of one GPU while it does nothing else: prompt
    tokens are read, completion tokens written.
    """

    gpus: Whole | None = None
    prompt_tokens: Stated | None = None
    completion_tokens: Stated | None = None
    prompt_tokens_per_second: Stated | None = None
    completion_tokens_per_second: Stated | None = None
    file_bytes: Stated | None = None
    journal_bytes: Stated | None = None


class GenerateRates(AskedRates):
    """Of the generator: `kept` is the share of completions that can be read."""

    kept: Share | None = None


class SolveRates(AskedRates):
    """Of `solve`, which follows a run: its model, and the traces of a problem."""

    model: str = ""
    traces: Whole | None = None


class FilterRates(_Keys):
    """Of `filter`: the share of judged problems that is accepted, and bytes for each judged one."""

    kept: Share | None = None
    file_bytes: Stated | None = None


class DriverRates(_Keys):
    """Of the process that holds everything together.

    `call_seconds`: its CPU for a call that it makes itself, as the local runner does. `row_seconds`: its CPU for a row
    in a pass over a cluster, where others call. `memory_bytes`: what it remembers of a combination.
    """

    call_seconds: Stated | None = None
    row_seconds: Stated | None = None
    memory_bytes: Stated | None = None


class PlanRates(_Keys):
    """All rates of a recipe. `gpu` is what the rates were measured on; `gpu_hour` is what an hour of one costs."""

    gpu: str = ""
    gpu_hour: Stated | None = None
    sample: SampleRates = SampleRates()
    generate: GenerateRates = GenerateRates()
    judge: dict[str, AskedRates] = {}
    filter: FilterRates = FilterRates()
    solve: SolveRates | None = None
    driver: DriverRates = DriverRates()

    def of(self, stage: str) -> tuple[str, AskedRates]:
        """The key and the rates of a stage; nothing is stated about one of the user's own."""
        verb, _, name = stage.partition("-")
        if verb == "judge":
            return f"judge.{name}", self.judge.get(name, AskedRates())
        return stage, self.generate if stage == "generate" else AskedRates()
