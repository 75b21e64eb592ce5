"""Chooses the rates of every stage for the plan, and records their origins.

The order of origins: the user's setting for this plan, rate by rate or by the name of other rates; a measurement in a
run directory; the recipe's value with a source; the recipe's assumption. A rate with none of these is None, without a
substitute. `stages`, `schedules` and `flow` compute the plan from the rates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from promptcot.errors import UsageError
from promptcot.recipe.plan_rates import PlanRates, SolveRates, Stated, gpu_seconds_of_a_call
from promptcot.recipe.recipe import Recipe, step_of
from promptcot.recipe.schema import Model

Kind = Literal["measured", "stated", "assumed"]
SET = "set for this plan"


@dataclass(frozen=True, slots=True)
class Rate:
    """A number, its kind, and its origin as text; measured ones with the number of units they are measured over."""

    value: float
    kind: Kind
    origin: str = ""
    n: int | None = None
    of: str = "rows"


Measured = Mapping[str, Mapping[str, Rate]]
"""Rates that were measured, by stage and name; `seconds` are GPU-seconds of a call, or seconds where it is hosted."""


@dataclass(frozen=True)
class StageRates:
    """The rates of a stage with a model; `rates` by their names in `AskedRates`, and `seconds`.

    `calls` is the number of calls per row.
    """

    name: str
    model: Model
    rates: Mapping[str, Rate]
    calls: Rate | None = Rate(1, "stated", "the stage makes one call per row")

    def __getitem__(self, name: str) -> Rate | None:
        return self.rates.get(name)

    def value(self, name: str) -> float | None:
        """The number alone."""
        rate = self.rates.get(name)
        return None if rate is None else rate.value

    @property
    def hosted(self) -> bool:
        """Whether it uses none of our GPUs."""
        return bool(self.model.base_url) and "gpus" not in self.rates

    @property
    def gpu_seconds(self) -> float | None:
        """GPU-seconds of a call: measured, else by its tokens. None if unknown, or not on our GPUs."""
        if self.hosted:
            return None
        if (measured := self.value("seconds")) is not None:
            return measured
        return gpu_seconds_of_a_call(
            self.value("prompt_tokens"),
            self.value("prompt_tokens_per_second"),
            self.value("completion_tokens"),
            self.value("completion_tokens_per_second"),
        )

    @property
    def seconds_hosted(self) -> float | None:
        """Seconds between two calls to a hosted model, by the server's rate limits or, without them, as measured."""
        calls, tokens = self.model.requests_per_minute, self.model.tokens_per_minute
        read, written = self.value("prompt_tokens"), self.value("completion_tokens")
        bounds = [60 / calls] if calls else []
        if tokens and read is not None and written is not None:
            bounds.append(60 * (read + written) / tokens)
        return max(bounds, default=self.value("seconds"))


@dataclass(frozen=True)
class StepRates:
    """A step after `filter`: the models that it calls for each of its rows, and what it keeps and writes."""

    name: str
    asked: tuple[StageRates, ...]
    rates: Mapping[str, Rate]


@dataclass(frozen=True)
class Rates:
    """All inputs of a plan. `asked` has the generator first, then the judges, `behind` the steps between `filter` and
    the rows that a target counts. `solve` follows the run.
    """

    gpu: str
    gpu_hour: Rate | None
    sample: Mapping[str, Rate]
    asked: tuple[StageRates, ...]
    filter: Mapping[str, Rate]
    behind: tuple[StepRates, ...]
    solve: StageRates | None
    driver: Mapping[str, Rate]

    def __iter__(self) -> Iterator[StageRates]:
        yield from self.asked
        for step in self.behind:
            yield from step.asked
        if self.solve is not None:
            yield self.solve


def with_rates(recipe: Recipe, name: str, set_keys: Collection[str]) -> tuple[Recipe, list[str]]:
    """The recipe with its named rates in place of its own, and the dotted keys that they set.

    Keys in `set_keys` stay unchanged. Raises UsageError.
    """
    if name not in recipe.plan.rates:
        known = ", ".join(recipe.plan.rates)
        there = f"the recipe has {known}" if known else "the recipe has none"
        raise UsageError(
            f"--rates {name}: {there}; to add alternative rates, write a section [plan.rates.{name}] (docs/scale.md)"
        )
    table, keys = recipe.plan.model_dump(exclude_unset=True), list(set_keys)
    for path, stated in _leaves(recipe.plan.rates[name].model_dump(exclude_unset=True)):
        key = ".".join(("plan", *path))
        if not _is_set(key, set_keys):
            _put(table, path, stated)
            keys.append(key)
    return recipe.model_copy(update={"plan": PlanRates.model_validate(table)}), keys


def _leaves(table: Mapping[str, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values in nested tables, with their dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict) and "value" not in value:
            yield from _leaves(value, *path, key)
        else:
            yield (*path, key), value


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, last = path
    for key in parents:
        table = table.setdefault(key, {})
    table[last] = value


def _is_set(key: str, set_keys: Collection[str]) -> bool:
    """Whether the key, or a table around it, was set."""
    return any(f"{key}.".startswith(f"{one}.") for one in set_keys)


def resolve(recipe: Recipe, measured: Measured, set_keys: Collection[str] = (), *, with_solve: bool = False) -> Rates:
    """The rates to plan with. `set_keys` are the dotted keys that were set for this plan, such as `plan.filter.kept`.

    With `with_solve`, traces are planned even if the recipe has none.
    """
    plan, models = recipe.plan, recipe.models

    def chosen(stage: str, key: str, stated: BaseModel) -> dict[str, Rate]:
        return _choose(stated, measured.get(stage, {}), f"plan.{key}", set_keys)

    def asked(stage: str, model: Model) -> StageRates:
        rates = chosen(stage, *plan.of(stage))
        if model.n_gpus:
            rates.setdefault("gpus", Rate(model.n_gpus, "stated", "n_gpus of the recipe"))
        often = {name: rate for name, rate in rates.items() if name not in ("kept", "traces") or stage == "generate"}
        if stage not in recipe.calls:
            return StageRates(stage, model, often)
        return StageRates(stage, model, often, Rate(recipe.calls[stage], "stated", "as the recipe says"))

    def behind(step: str) -> StepRates:
        voters = tuple(asked(stage, model) for stage, model in models.items() if step_of(stage) == step)
        kept = {} if step == "solve" else chosen(step, step, getattr(plan, step))
        return StepRates(step, voters, {name: rate for name, rate in kept.items() if name in ("kept", "file_bytes")})

    def solve(stated: SolveRates) -> StageRates:
        rates = chosen("solve", "solve", stated)
        traces = rates.pop("traces", None)
        return StageRates("solve", Model(model=stated.model), rates, calls=traces)

    return Rates(
        gpu=plan.gpu,
        gpu_hour=_choose(plan, {}, "plan", set_keys).get("gpu_hour"),
        sample=chosen("sample", "sample", plan.sample),
        asked=tuple(asked(stage, model) for stage, model in models.items() if step_of(stage) is None),
        filter=chosen("filter", "filter", plan.filter),
        behind=tuple(behind(step) for step in recipe.set_steps if step != "select"),
        solve=solve(plan.solve or SolveRates()) if with_solve and recipe.solve is None else None,
        driver=chosen("driver", "driver", plan.driver),
    )


def _choose(section: BaseModel, measured: Mapping[str, Rate], key: str, set_keys: Collection[str]) -> dict[str, Rate]:
    """The rates of a section: set, else measured, else stated. Set speeds take precedence over measured seconds."""
    stated = {name: one for name, one in section if isinstance(one, Stated)}
    now = {name for name in stated if _is_set(f"{key}.{name}", set_keys)}
    gone = {*now, "seconds"} if any(name.endswith("_per_second") for name in now) else now
    kept = {name: rate for name, rate in measured.items() if name not in gone}
    return {name: _rate(one, is_set=name in now) for name, one in stated.items()} | kept


def _rate(found: Stated, *, is_set: bool) -> Rate:
    reason = found.assumed if isinstance(found.assumed, str) else ""
    origin = ": ".join(filter(None, (SET if is_set else "", found.source or reason)))
    return Rate(found.value, "stated" if found.source else "assumed", origin)
