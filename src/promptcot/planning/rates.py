"""Which number is planned with, and where it is from: the rates of every stage, put together.

Decides the order of origins: what the user sets for this plan, what was measured in a run directory, what the recipe
states with a source, what it assumes. A rate with none of these is None, and nothing is put in its place. What is
computed from rates is decided in `flow`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from promptcot.pipeline.plan import models_of
from promptcot.recipe.plan_rates import PlanRates, SolveRates, Stated
from promptcot.recipe.schema import Model, Price, Recipe

Kind = Literal["given", "measured", "stated", "assumed"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A number, what kind of knowledge it is, and its origin in words; measured ones with what they are counted in."""

    value: float
    kind: Kind
    origin: str = ""
    n: int | None = None
    of: str = "rows"

    @classmethod
    def stated(cls, found: Stated | None, *, is_given: bool = False) -> Rate | None:
        """The rate that a key of `[plan]` holds; None for none."""
        if found is None:
            return None
        if is_given:
            return cls(found.value, "given", found.source or "")
        if found.source:
            return cls(found.value, "stated", found.source)
        return cls(found.value, "assumed", found.assumed if isinstance(found.assumed, str) else "")


Measured = Mapping[str, Mapping[str, Rate]]
"""Rates that were measured, by stage and name; `seconds` are GPU-seconds of a call, or seconds where it is hosted."""


@dataclass(frozen=True)
class StageRates:
    """What is known about a stage that asks a model; `rates` by their names in `AskedRates`, and `seconds`.

    `calls` is how often it asks about a row. Of a hosted model, `per_second` is how many calls its server allows.
    """

    name: str
    model: str
    rates: Mapping[str, Rate]
    calls: Rate | None = field(default_factory=lambda: Rate(1, "stated", "the stage asks once about a row"))
    hosted: bool = False
    served_by: tuple[str, ...] = ()
    """The addresses of a hosted model; stages with the same model there share what its server allows."""
    price: Price | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __getitem__(self, name: str) -> Rate | None:
        return self.rates.get(name)

    def value(self, name: str) -> float | None:
        """The number alone."""
        rate = self.rates.get(name)
        return None if rate is None else rate.value

    @property
    def gpu_seconds(self) -> float | None:
        """GPU-seconds of a call: measured; else prompt tokens at the rate of reading and completion tokens at that of
        writing, one after the other. None where that is not known, or not ours.
        """
        if self.hosted:
            return None
        if (measured := self.value("seconds")) is not None:
            return measured
        written, speed = self.value("completion_tokens"), self.value("completion_tokens_per_second")
        if written is None or speed is None:
            return None
        read, reading = self.value("prompt_tokens"), self.value("prompt_tokens_per_second")
        return written / speed + (read / reading if read and reading else 0.0)

    @property
    def seconds_hosted(self) -> float | None:
        """Seconds between two calls to a hosted model, by what its server allows or, without that, as measured."""
        tokens = [self.value("prompt_tokens"), self.value("completion_tokens")]
        bounds = [60 / self.requests_per_minute] if self.requests_per_minute else []
        if self.tokens_per_minute and tokens[0] is not None and tokens[1] is not None:
            bounds.append(60 * (tokens[0] + tokens[1]) / self.tokens_per_minute)
        return max(bounds) if bounds else self.value("seconds")


@dataclass(frozen=True)
class Rates:
    """Everything that a plan is computed from. `asked` has the generator first, then the judges."""

    gpu: str
    gpu_hour: Rate | None
    sample: Mapping[str, Rate]
    asked: tuple[StageRates, ...]
    filter: Mapping[str, Rate]
    solve: StageRates | None
    driver: Mapping[str, Rate]

    def __iter__(self) -> Iterator[StageRates]:
        yield from self.asked
        if self.solve is not None:
            yield self.solve


def resolve(recipe: Recipe, measured: Measured, given: Collection[str] = (), *, with_solve: bool = False) -> Rates:
    """The rates to plan with. `given` are the dotted keys that were set for this plan, such as `plan.filter.kept`."""
    plan = recipe.plan
    chosen = _Chosen(measured, frozenset(given))
    return Rates(
        gpu=plan.gpu,
        gpu_hour=Rate.stated(plan.gpu_hour, is_given=chosen.is_given("plan.gpu_hour")),
        sample=chosen.of("sample", "plan.sample", dict(plan.sample)),
        asked=tuple(_stage(name, model, plan, chosen) for name, model in models_of(recipe).items()),
        filter=chosen.of("filter", "plan.filter", dict(plan.filter)),
        solve=_solve(plan.solve or SolveRates(), chosen) if with_solve else None,
        driver=chosen.of("driver", "plan.driver", dict(plan.driver)),
    )


@dataclass(frozen=True)
class _Chosen:
    """The choice between what was set, measured and stated."""

    measured: Measured
    given: frozenset[str]

    def is_given(self, key: str) -> bool:
        return any(key == one or key.startswith(f"{one}.") for one in self.given)

    def of(self, stage: str, section: str, stated: Mapping[str, Stated | str | None]) -> dict[str, Rate]:
        """The rates of a stage. Measured GPU-seconds give way to token rates that were set for this plan."""
        found = dict(self.measured.get(stage, {}))
        for name, one in stated.items():
            if isinstance(one, Stated):
                is_given = self.is_given(f"{section}.{name}")
                rate = Rate.stated(one, is_given=is_given)
                if rate is not None and (is_given or name not in found):
                    found[name] = rate
                if is_given and name.endswith("_per_second"):
                    found.pop("seconds", None)
        return found


def _stage(name: str, model: Model, plan: PlanRates, chosen: _Chosen) -> StageRates:
    key, stated = plan.of(name)
    rates = chosen.of(name, f"plan.{key}", dict(stated))
    if "gpus" not in rates and model.n_gpus:
        rates["gpus"] = Rate(model.n_gpus, "stated", "n_gpus of the recipe")
    return StageRates(
        name,
        model.model,
        rates,
        hosted=bool(model.base_url) and "gpus" not in rates,
        served_by=tuple(model.base_url),
        price=model.price,
        requests_per_minute=model.requests_per_minute,
        tokens_per_minute=model.tokens_per_minute,
    )


def _solve(stated: SolveRates, chosen: _Chosen) -> StageRates:
    rates = chosen.of("solve", "plan.solve", dict(stated))
    traces = rates.pop("traces", None)
    return StageRates("solve", stated.model, rates, calls=traces)
