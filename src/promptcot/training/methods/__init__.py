"""The training methods, one module each. `method_of` picks the method of a recipe."""

from __future__ import annotations

from importlib import import_module

from promptcot.training.methods.protocol import Method
from promptcot.training.recipe import TrainRecipe


def method_of(recipe: TrainRecipe) -> Method:
    """The method of a recipe; imports TRL."""
    found: Method = import_module(f"promptcot.training.methods.{recipe.method.kind}").METHOD
    return found
