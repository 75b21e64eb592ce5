"""What an evaluation is told to do: TOML in, a checked and complete `EvalRecipe` out.

Decides which keys exist and where the shipped recipes lie; how a table is read, changed and checked is decided in
`promptcot.recipe.loading`. Benchmarks are not loaded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from promptcot.recipe.loading import SHIPPED, parse_as, read_table
from promptcot.recipe.schema import FolderName, Model, Positive, Section

SHIPPED_EVAL = Path(SHIPPED) / "eval"
"""The evaluation recipes that come with the package."""


class EvalRecipe(Section):
    """One evaluation: `n` traces of each problem of the benchmarks (names or files), by one model.

    `style` is the form of the prompt, see `stages.solve`; with `unboxed`, a final line without a box is an answer.
    """

    name: FolderName = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    prompts: str = "math"
    style: str | None = None
    benchmarks: Annotated[list[str], Field(min_length=1)]
    n: Positive = 8
    unboxed: bool = False
    concurrency: Positive = 256
    model: Model = Model()

    @field_validator("benchmarks")
    @classmethod
    def _differ(cls, benchmarks: list[str]) -> list[str]:
        if len(set(benchmarks)) < len(benchmarks):
            raise ValueError("a benchmark is named twice")
        return benchmarks


def load_eval(name_or_path: str, changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None) -> EvalRecipe:
    """The evaluation recipe of that file (`….toml`) or shipped name, changed by `a.b=v` texts and by `overrides`.

    Raises RecipeError with all mistakes.
    """
    where, table = read_table(name_or_path, SHIPPED_EVAL, changes, overrides)
    return parse_as(EvalRecipe, table, where)
