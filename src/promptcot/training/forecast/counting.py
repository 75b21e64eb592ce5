"""How many rows a recipe's data has and how long they are, as far as that can be known without fetching anything.

Decides what is counted, what is sampled, and what is assumed; each number carries the words that say which. Files on
this machine are read; the tokenizer is asked where the model is on this machine too.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from promptcot import nano
from promptcot.engines.model_files import folder_on_disk
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.rows import read_rows
from promptcot.training.forecast.estimate import Lengths, lengths_of
from promptcot.training.recipe import TrainRecipe

SAMPLED = 2000
"""Rows whose tokens are counted."""

CHARACTERS_PER_TOKEN = 3.5
"""Assumed where no tokenizer is at hand."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows to learn from and their lengths, None where they are not known, each with where it comes from."""

    rows: int | None
    rows_from: str
    lengths: Lengths | None
    lengths_from: str
    measured: int = 0
    """Of how many rows the tokens were counted; 0 where the length is assumed."""


def count(recipe: TrainRecipe) -> Counted:
    """What can be known of the data. Raises InputError for a file that cannot be read."""
    files = [Path(path) for path in recipe.data.path]
    missing = ", ".join(path for path in recipe.data.path if not Path(path).is_file())
    if missing:
        return _assumed(recipe, f"{missing} is not on this machine")
    rows, texts = _sample(files, recipe)
    told = f"counted in {', '.join(map(str, files))}"
    return Counted(_used(rows, recipe), told, *_lengths(texts, recipe))


def _assumed(recipe: TrainRecipe, why: str) -> Counted:
    """What the recipe says of data that is not here."""
    rows, lengths, source = recipe.data.rows, _told_length(recipe), _source(recipe)
    return Counted(
        None if rows is None else _used(rows, recipe),
        f"{why}; set data.rows, or --data_path FILE" if rows is None else source,
        lengths,
        f"{why}; set data.tokens_per_row, or --data_path FILE" if lengths is None else source,
    )


def _source(recipe: TrainRecipe) -> str:
    return f"assumed, {recipe.data.source}" if recipe.data.source else "assumed"


def _used(rows: int, recipe: TrainRecipe) -> int:
    """Rows that are learnt from, after the limit and what is held out for validation."""
    held = recipe.data.validation
    rows = min(rows, recipe.data.limit or rows)
    return rows - round(rows * held) if isinstance(held, float) else rows


def _told_length(recipe: TrainRecipe) -> Lengths | None:
    """All rows as long as the recipe says, if it does."""
    if recipe.data.tokens_per_row is None:
        return None
    length = min(recipe.data.tokens_per_row, recipe.schedule.max_length)
    return Lengths(length, length)


def _lengths(texts: Sequence[str], recipe: TrainRecipe) -> tuple[Lengths | None, str, int]:
    """The lengths of these texts, what that is from, and of how many the tokens were counted."""
    tokens = _tokenizer(recipe)
    if tokens is not None and texts:
        return lengths_of(list(map(tokens, texts)), recipe), f"mean of {len(texts):,} rows drawn", len(texts)
    if told := _told_length(recipe):
        return told, _source(recipe), 0
    if not texts:
        return None, "no row has a prompt and a completion, or messages", 0
    lengths = lengths_of([max(1, round(len(text) / CHARACTERS_PER_TOKEN)) for text in texts], recipe)
    how = f"assumed: {CHARACTERS_PER_TOKEN} characters a token, as no tokenizer of the model is on this machine"
    return lengths, how, 0


def _sample(files: Sequence[Path], recipe: TrainRecipe) -> tuple[int, list[str]]:
    """How many rows there are, and the texts of some, each row as likely as any other (Vitter's algorithm R)."""
    rng, rows, readable = Random(recipe.seed), 0, 0
    texts: list[str] = []
    for path in files:
        for row in read_rows(path, may_be_empty=True):
            rows += 1
            text = _text(row)
            if text is None:
                continue
            readable += 1
            if len(texts) < SAMPLED:
                texts.append(text)
            elif (place := rng.randrange(readable)) < SAMPLED:
                texts[place] = text
    return rows, texts


def _text(row: Row) -> str | None:
    """What the model would see, without the marks of a chat template."""
    prompt, completion, messages = row.get("prompt"), row.get("completion"), row.get("messages")
    if isinstance(prompt, str) and isinstance(completion, str):
        return prompt + completion
    if isinstance(messages, list):
        return "\n".join(str(turn.get("content", "")) for turn in messages if isinstance(turn, dict))
    return None


def _tokenizer(recipe: TrainRecipe) -> Callable[[str], int] | None:
    """Counts the tokens of a text, the end mark included, where the model's tokenizer is on this machine."""
    folder = folder_of(recipe.model.tokenizer or recipe.model.path)
    if folder is None or not (folder / "tokenizer.json").is_file() or importlib.util.find_spec("tokenizers") is None:
        return None
    try:
        loaded: Any = importlib.import_module("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exceptions
        raise InputError(f"{folder / 'tokenizer.json'}: cannot be loaded: {error}") from error
    return lambda text: len(loaded.encode(text).ids) + 1


def folder_of(model: str) -> Path | None:
    """Where a model is on this machine: a folder, an embedded one, or the local Hub cache; None if it is not."""
    try:
        return folder_on_disk(nano.resolve(model, "base"))
    except InputError:
        return None
