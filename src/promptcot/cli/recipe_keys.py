"""Completion of `--set`: the keys of the recipe that the command line names, with the names of its judges and steps.

Which keys there are is read from the schemas of the recipes; values are not completed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import click
from pydantic import BaseModel

_RECIPE_PARAMETERS = ("recipe", "eval_recipe")


def complete_change(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What completes `SECTION.KEY=`; nothing for a recipe that cannot be read."""
    try:
        schema, table = _schema(str(ctx.info_name).replace("_", "-"), _recipe(ctx))
    except (OSError, ValueError, RecursionError):
        return []
    return [key for key in _keys(schema, table) if key.startswith(incomplete)]


def _recipe(ctx: click.Context) -> str:
    """The recipe that was typed. Behind an option without its value, click leaves arguments where they are."""
    values = [*ctx.args, *(ctx.params.get(name) for name in _RECIPE_PARAMETERS), "nano"]
    return next(str(value) for value in values if value)


def _schema(verb: str, named: str) -> tuple[type[BaseModel], Mapping[str, Any]]:
    """The schema of a verb's recipe, and the recipe's table. Raises OSError, ValueError."""
    from promptcot.chains.recipe import CHAINS
    from promptcot.evaluation.recipe import SHIPPED_EVAL, EvalRecipe
    from promptcot.recipe.loading import SHIPPED
    from promptcot.recipe.recipe import Recipe
    from promptcot.training.recipe import SHIPPED_TRAIN, TrainRecipe

    kinds: dict[str, tuple[Path, type[BaseModel]]] = {
        "eval": (SHIPPED_EVAL, EvalRecipe),
        "fresh": (SHIPPED_EVAL, EvalRecipe),
        "train": (SHIPPED_TRAIN, TrainRecipe),
    }
    folder, schema = kinds.get(verb, (SHIPPED, Recipe))
    path = Path(named) if named.endswith(".toml") else folder / f"{named}.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return CHAINS.get(str(table.get("chain")), schema), table


def _keys(schema: type[BaseModel], table: Any, above: str = "") -> Iterator[str]:
    """Every key of a section and the sections in it, dotted, with `=`; an entry of a list by its name or position."""
    for name, field in schema.model_fields.items():
        given = table.get(name) if isinstance(table, Mapping) else None
        inner, kind = _section_in(field.annotation)
        if inner is None and field.exclude:  # computed, and no key of a recipe
            continue
        if inner is None:
            yield f"{above}{name}="
        elif kind in (list, tuple):
            for place, entry in enumerate(given if isinstance(given, list) else ()):
                called = entry.get("name", place) if isinstance(entry, Mapping) else place
                yield from _keys(inner, entry, f"{above}{name}.{called}.")
        elif kind is dict:
            for called, entry in (given if isinstance(given, Mapping) else {}).items():
                yield from _keys(inner, entry, f"{above}{name}.{called}.")
        else:
            yield from _keys(inner, given, f"{above}{name}.")


def _section_in(annotation: Any, kind: Any = None) -> tuple[type[BaseModel] | None, Any]:
    """The section that a type holds, and whether in a list or a dict; None where it is a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, kind
    origin = get_origin(annotation)
    for part in get_args(annotation):
        section, found = _section_in(part, origin if origin in (list, tuple, dict) else kind)
        if section is not None:
            return section, found
    return None, kind
