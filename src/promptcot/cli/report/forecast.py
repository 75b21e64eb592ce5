"""A forecast before the first call of a run: calls per row, and their cost if prices are known.

Only for runs with steps after `filter` that call a server, where the teacher causes most of the cost. Shares and
lengths are those stated in the recipe for `plan`; the progress display forecasts from measured ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from promptcot.pipeline.plan import PlannedStep, asking
from promptcot.planning.flow import accepted_share
from promptcot.planning.rates import Rates, resolve
from promptcot.planning.stages import stages_of, total
from promptcot.recipe.recipe import Recipe, step_of

_MANY = 100_000
"""A number of rows at which rounding has no effect."""


def forecast_of(recipe: Recipe, steps: Sequence[PlannedStep]) -> Iterator[str]:
    """The calls for a problem that passes all steps, and the calls and cost for a row of the last step, rejected ones
    included."""
    stages = {step.name: step.asked for step in asking(steps)}
    if not any(map(step_of, stages)) or not any(model.base_url for model in stages.values()):
        return
    often = {name: recipe.calls.get(name, 1) for name in stages}
    each = ", ".join(f"{name} {calls}" for name, calls in often.items())
    yield f"calls: {sum(often.values()):,} for a problem that passes all steps ({each})"
    last = steps[-1].name if steps[-1].name != "select" else steps[-2].name
    rates = resolve(recipe, {})
    share = accepted_share(rates)
    if last != _last_of(recipe) or share is None:
        return
    calls, cost = _of_a_row(rates, share.value)
    told = "n/a (price.prompt, price.completion)" if cost is None else f"about {cost:,.4f}"
    yield (
        f"with the shares that the recipe assumes, a row that passes {last} takes about {calls:,.0f} calls; cost {told}"
    )


def _last_of(recipe: Recipe) -> str:
    """The step whose rows `plan` counts."""
    return next(name for name in reversed(recipe.set_steps) if name != "select")


def _of_a_row(rates: Rates, share: float) -> tuple[float, float | None]:
    """Calls and cost for one row of the last step, from the share of combinations that reach it."""
    stages = [stage for stage in stages_of(rates, _MANY, math.ceil(_MANY / share)) if stage.calls]
    money = total(stage.money for stage in stages)
    return sum(stage.calls for stage in stages) / _MANY, None if money is None else money / _MANY
