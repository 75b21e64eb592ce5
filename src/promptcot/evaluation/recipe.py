"""The evaluation recipe: reads TOML into a checked and complete `EvalRecipe`.

Decides which keys exist and where the shipped recipes are; `promptcot.recipe.loading` reads, overrides and checks
tables. Benchmarks are not loaded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from promptcot import domains
from promptcot.core.sections import FolderName, Positive, Section
from promptcot.grading.verifiers import checked_verifier
from promptcot.recipe.loading import SHIPPED, parse_as, read_table
from promptcot.recipe.schema import Model

SHIPPED_EVAL = Path(SHIPPED) / "eval"
"""The evaluation recipes that come with the package."""


VerifierName = Annotated[str, AfterValidator(checked_verifier)]


class EvalRecipe(Section):
    """One evaluation: `n` traces of each problem of the benchmarks (names or files), by one model.

    `style` is the form of the prompt, see `stages.solve`; with `unboxed`, a final line without a box is an answer.
    `verifier` decides which answers are correct; if it is None, that of each benchmark is used, or the domain's.
    """

    name: FolderName = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    prompts: str = domains.DEFAULT
    style: str | None = None
    benchmarks: Annotated[list[str], Field(min_length=1)]
    n: Positive = 8
    unboxed: bool = False
    verifier: Annotated[VerifierName | None, Field(exclude_if=lambda name: name is None)] = None
    concurrency: Positive = 256
    model: Model = Model()

    @field_validator("benchmarks")
    @classmethod
    def _differ(cls, benchmarks: list[str]) -> list[str]:
        if len(set(benchmarks)) < len(benchmarks):
            raise ValueError("a benchmark is named twice")
        return benchmarks


def load_eval(name_or_path: str, changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None) -> EvalRecipe:
    """The evaluation recipe in that file (`….toml`) or with that shipped name, with `a.b=v` overrides and `overrides`
    applied.

    Raises RecipeError with all mistakes.
    """
    where, table = read_table(name_or_path, SHIPPED_EVAL, changes, overrides)
    return parse_as(EvalRecipe, table, where)
