"""Calls, tokens and cost per problem of a set, from the counts of all steps, including earlier processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptcot.core import fields

_TOLD = ("calls", "prompt_tokens", "completion_tokens")


def spending(stages: Mapping[str, Any], problems: int) -> dict[str, Any] | None:
    """Calls, tokens and cost per problem, in total and by step; None if no call was made.

    `stages` is as in a summary. The cost is None if no call had a price; `without_price` names the steps with calls
    without a price. With 0 problems, values per problem are None. `encode` is left out: it embeds concepts.
    """
    asked = {name: paid_of(stage) for name, stage in stages.items() if name != "encode"}
    asked = {name: paid for name, paid in asked.items() if paid["calls"]}
    if not asked:
        return None
    total = {key: sum(paid[key] for paid in asked.values()) for key in (*_TOLD, "unpriced")}
    costs = [paid["cost"] for paid in asked.values() if paid["cost"] is not None]
    total["cost"] = sum(costs) if costs else None
    return {
        "problems": problems,
        **_each(total, problems),
        "without_price": [name for name, paid in asked.items() if paid["unpriced"]],
        "steps": {name: _each(paid, problems) for name, paid in asked.items()},
    }


def paid_of(stage: Any) -> dict[str, Any]:
    """The usage of one step, over all its models."""
    models = fields.mapping(fields.mapping(stage).get("models"))
    tables = [fields.mapping(table) for table in models.values()]
    costs = [cost for table in tables if (cost := fields.number(table.get("cost"))) is not None]
    counts = {key: sum(fields.whole(table.get(key)) or 0 for table in tables) for key in (*_TOLD, "unpriced")}
    return {**counts, "cost": sum(costs) if costs else None}


def _each(paid: Mapping[str, Any], problems: int) -> dict[str, float | None]:
    return {key: paid[key] / problems if problems and paid[key] is not None else None for key in (*_TOLD, "cost")}
