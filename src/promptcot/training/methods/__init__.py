"""The methods of training, a module each. Which one a recipe means is decided in `method_of`."""

from __future__ import annotations

from importlib import import_module

from promptcot.training.methods.protocol import Method
from promptcot.training.recipe import TrainRecipe


def method_of(recipe: TrainRecipe) -> Method:
    """What carries out the method of a recipe; imports TRL."""
    found: Method = import_module(f"promptcot.training.methods.{recipe.method.kind}").METHOD
    return found
