"""Resolves `watch.eval` to an evaluation. Loads no library, so a mistake is reported before anything is loaded."""

from __future__ import annotations

from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import is_file
from promptcot.evaluation.recipe import SHIPPED_EVAL, EvalRecipe, load_eval
from promptcot.evaluation.registry import benchmark_named
from promptcot.recipe.schema import Model
from promptcot.storage.paths import expanded
from promptcot.training.recipe import Benchmark


def eval_recipe(watched: Benchmark, chat: bool) -> EvalRecipe:
    """The evaluation for a setting: a recipe, or a benchmark, in chat format if the model has a chat template.

    Raises RecipeError, and InputError for an unknown benchmark.
    """
    changes = {"n": watched.n, "model.max_tokens": watched.max_tokens}
    name = watched.recipe
    if name.endswith(".toml") or (SHIPPED_EVAL / f"{name}.toml").is_file():
        recipe = load_eval(name, overrides=changes)
    else:
        limit = {"max_tokens": watched.max_tokens} if watched.max_tokens else {}
        recipe = EvalRecipe(benchmarks=[name], n=watched.n, model=Model(chat=chat, **limit))
    for one in recipe.benchmarks:
        if not is_file(one):
            benchmark_named(one)
        elif not expanded(one).is_file():
            raise InputError(f"{one}: no such file")
    return recipe
