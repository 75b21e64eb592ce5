"""Warns when a learning rate is used with a very different number of rows per step than it was published for.

Decides when the warning is shown, and its text; nothing is changed.
"""

from __future__ import annotations

from promptcot.training.recipe import TrainRecipe

_NEAR = 1.25
"""Row counts per step within this factor count as equal."""


def rate_note(recipe: TrainRecipe, rows: float) -> str | None:
    """The warning if a step holds about `rows` rows, and the learning rate was published for a different number."""
    schedule, published = recipe.schedule, recipe.published
    if published.rows_per_step is None or published.learning_rate != schedule.learning_rate:
        return None
    if 1 / _NEAR <= rows / published.rows_per_step <= _NEAR:
        return None
    packs = schedule.step_by == "sequences" and recipe.method.packing
    remedy = 'schedule.step_by = "rows" keeps the published number' if packs else "see schedule.accumulation"
    return (
        f"the learning rate {schedule.learning_rate:g} was published for {published.rows_per_step:,} rows a step, and "
        "a "
        f"step has {'about ' * packs}{rows:,.0f} here: {remedy}, or choose another rate"
    )
