"""Loads the tokenizer of a training run, with the chat template of its recipe. Needs transformers, but not torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptcot import nano
from promptcot.errors import InputError
from promptcot.training.data.encoding import padding_id
from promptcot.training.recipe import TrainRecipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(recipe: TrainRecipe) -> PreTrainedTokenizerBase:
    """The tokenizer of the model, or the one named in the recipe, with its chat template. Raises InputError."""
    from promptcot.engines.local.tokenizers import load

    name = recipe.model.tokenizer or nano.resolve(recipe.model.path, "base")
    revision = None if recipe.model.tokenizer else recipe.model.revision
    try:
        tokenizer: PreTrainedTokenizerBase = load(name, **({"revision": revision} if revision else {}))
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: no tokenizer can be loaded: {error}") from error
    if recipe.model.chat_template:
        tokenizer.chat_template = Path(recipe.model.chat_template).read_text(encoding="utf-8")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token_id = padding_id(tokenizer)
    return tokenizer
