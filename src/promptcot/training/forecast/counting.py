"""How many rows a recipe's data has and how long they are, as far as that can be known without fetching anything.

Decides what is counted, what is sampled, and what is assumed; each number carries the words that say which. Files on
this machine are read, by the reader that trains, so that the same rows are left out for the same reasons; the tokenizer
is asked where the model is on this machine too.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from promptcot import nano
from promptcot.engines.model_files import folder_on_disk
from promptcot.errors import InputError
from promptcot.training.data.encoding import INSIDE, PROMPT_TOO_LONG, Encoder
from promptcot.training.data.rows import Example, Rejected
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.forecast.estimate import Lengths, lengths_of
from promptcot.training.forecast.methods import counted_for, rows_read, sequences_of_a_row
from promptcot.training.recipe import TrainRecipe

SAMPLED = 2000
"""Rows whose tokens are counted."""

CHARACTERS_PER_TOKEN = 3.5
"""Assumed where no tokenizer is at hand."""


Tokens = Callable[[Example], int | str]
"""How many tokens a row has, or why it is left out for them."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows to learn from and their lengths, None where they are not known, each with where it comes from."""

    rows: int | None
    rows_from: str
    lengths: Lengths | None
    lengths_from: str
    measured: int = 0
    """Of how many rows the tokens were counted; 0 where the length is assumed."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many rows cannot be learnt from, by reason; `rows` are the others."""
    notes: Sequence[str] = ()
    """How rows were read: which columns were taken for what."""


def count(recipe: TrainRecipe) -> Counted:
    """What can be known of the data. Raises InputError for a file that cannot be read."""
    return counted_for(recipe, _count(recipe))


def _count(recipe: TrainRecipe) -> Counted:
    files = [Path(path) for path in recipe.data.path]
    missing = ", ".join(path for path in recipe.data.path if not Path(path).is_file())
    if missing:
        return _assumed(recipe, f"{missing} is not on this machine")
    template = _Template(recipe)
    sample = _Sample.of(recipe, template)
    told = f"counted in {', '.join(map(str, files))}"
    lengths = _lengths(sample.measured(template.tokens or _tokenizer(recipe)), recipe)
    return Counted(
        _used(sample.rows // sequences_of_a_row(recipe), recipe),
        told,
        *lengths,
        sample.left_out,
        [*sample.notes, *template.notes],
    )


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


def _lengths(measured: Sequence[int] | Sequence[Example], recipe: TrainRecipe) -> tuple[Lengths | None, str, int]:
    """The lengths of these rows, what that is from, and of how many the tokens were counted."""
    counts = [one for one in measured if isinstance(one, int)]
    if counts:
        return lengths_of(counts, recipe), f"mean of {len(counts):,} rows drawn", len(counts)
    if told := _told_length(recipe):
        return told, _source(recipe), 0
    characters = [len(one.prompt) + len(one.completion) for one in measured if isinstance(one, Example)]
    if not characters:
        return None, "no row has a prompt and a completion, or messages, that can be learnt from", 0
    lengths = lengths_of([max(1, round(count / CHARACTERS_PER_TOKEN)) for count in characters], recipe)
    how = f"assumed: {CHARACTERS_PER_TOKEN} characters a token, as no tokenizer of the model is on this machine"
    return lengths, how, 0


@dataclass
class _Sample:
    """How many rows can be learnt from, some of them, and what became of the others."""

    rows: int = 0
    examples: list[Example] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, recipe: TrainRecipe, template: _Template) -> _Sample:
        """Read all rows; each that can be learnt from is as likely to be drawn as any other (Vitter's algorithm R)."""
        rng, found = Random(recipe.seed), cls()
        for one in rows_read(recipe, template, found.notes.append):
            if isinstance(one, Rejected):
                found.left_out[one.reason] += 1
                continue
            found.rows += 1
            if len(found.examples) < SAMPLED:
                found.examples.append(one)
            elif (place := rng.randrange(found.rows)) < SAMPLED:
                found.examples[place] = one
        return found

    def measured(self, tokens: Tokens | None) -> Sequence[int] | Sequence[Example]:
        """The tokens of the rows that were drawn; the rows themselves where nobody can count them.

        Those that do not fit are left out from here on, in the whole file as many as among the drawn ones.
        """
        if tokens is None:
            return self.examples
        found = [tokens(row) for row in self.examples]
        of_all = self.rows / len(found) if found else 1
        for reason, count in Counter(one for one in found if isinstance(one, str)).items():
            self.left_out[reason] += round(count * of_all)
            self.rows -= round(count * of_all)
        return [one for one in found if isinstance(one, int)]


class _Template:
    """What renders chats: the tokenizer that the training would load, once a row is a chat.

    Where it is not on this machine, or has no template, a chat is what is said in it, without marks.
    """

    chat_template = "the tokenizer's, once it is loaded"

    def __init__(self, recipe: TrainRecipe) -> None:
        self._recipe = recipe
        self._encoder: Encoder | None = None
        self.notes: list[str] = []

    @property
    def tokens(self) -> Tokens | None:
        """Counts the tokens of a row as they will be learnt; None where no chat was rendered."""
        encoder, window = self._encoder, self._recipe.schedule.max_length
        if encoder is None:
            return None

        def count(row: Example) -> int | str:
            [(prompt, completion)] = encoder([row])
            return encoder.misfit(prompt, completion, row.chat, window) or len(prompt) + len(completion)

        return count

    @property
    def has_template(self) -> bool:
        """Whether the training would find one; of a tokenizer that is not on this machine it is taken for granted."""
        return self._tokenizer is None or bool(self._tokenizer.chat_template)

    def apply_chat_template(self, turns: Sequence[Mapping[str, str]], **how: Any) -> str:
        """The prompt of these turns."""
        if self._tokenizer is None or not self.has_template:
            self._note_missing()
            return "\n".join([*(turn["content"] for turn in turns), ""])
        text: str = self._tokenizer.apply_chat_template(turns, **how)
        return text

    @cached_property
    def _tokenizer(self) -> Any:
        known = folder_of(self._recipe.model.tokenizer or self._recipe.model.path)
        if known is None or importlib.util.find_spec("transformers") is None:
            return None
        loaded = load_tokenizer(self._recipe)
        if loaded.chat_template:
            self._encoder = Encoder(loaded)
        return loaded

    def _note_missing(self) -> None:
        note = (
            "rows are chats, and the tokenizer has no template for them, with which the training would stop: name one "
            "as model.chat_template"
        )
        if self._tokenizer is not None and note not in self.notes:
            self.notes.append(note)


def _tokenizer(recipe: TrainRecipe) -> Tokens | None:
    """Counts the tokens of a row, the end mark included, where the model's tokenizer is on this machine."""
    folder = folder_of(recipe.model.tokenizer or recipe.model.path)
    if folder is None or not (folder / "tokenizer.json").is_file() or importlib.util.find_spec("tokenizers") is None:
        return None
    try:
        loaded: Any = importlib.import_module("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exceptions
        raise InputError(f"{folder / 'tokenizer.json'}: cannot be loaded: {error}") from error
    loaded.no_truncation()
    loaded.no_padding()
    return _counter(loaded, recipe.schedule.max_length)


def _counter(tokenizer: Any, window: int) -> Tokens:
    """As `Encoder` counts a pair of texts, without transformers."""
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}

    def count(row: Example) -> int | str:
        prompt = tokenizer.encode(row.prompt).ids
        completion = tokenizer.encode(row.completion, add_special_tokens=False).ids
        if not special.isdisjoint(completion[:-1]):
            return INSIDE
        return PROMPT_TOO_LONG if len(prompt) >= window else len(prompt) + len(completion) + 1

    return count


def folder_of(model: str) -> Path | None:
    """Where a model is on this machine: a folder, an embedded one, or the local Hub cache; None if it is not."""
    try:
        return folder_on_disk(nano.resolve(model, "base"))
    except InputError:
        return None
