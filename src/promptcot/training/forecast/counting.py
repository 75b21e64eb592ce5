"""Counts the rows of a recipe and their lengths, as far as possible without downloading anything.

Decides what is counted, sampled or assumed, and labels each number accordingly. Local files are read by the training's
own reader, so the same rows are dropped for the same reasons; the tokenizer is used if the model is on this machine.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import cycle, islice
from math import exp
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

from promptcot import nano
from promptcot.engines.model_files import folder_on_disk, read_json, special_tokens
from promptcot.errors import InputError
from promptcot.training.data.encoding import Encoder
from promptcot.training.data.mixing import seen, shares
from promptcot.training.data.reading import Example, Rejected
from promptcot.training.data.reasons import INSIDE, PROMPT_TOO_LONG, ways_out
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data_recipe import Data
from promptcot.training.forecast.estimate import Lengths, lengths_of
from promptcot.training.forecast.methods import counted_for, rows_read
from promptcot.training.recipe import TrainRecipe

SAMPLED = 2000
"""The number of rows whose tokens are counted."""

CHARACTERS_PER_TOKEN = 3.5
"""Assumed if no tokenizer is available."""

SPREAD = 0.6
"""Assumed if only a mean is given: the standard deviation of the logarithms of the lengths, taken as normal."""


Tokens = Callable[[Example], int | str]
"""The number of tokens of a row, or the reason for dropping it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Usable rows and their lengths, None if unknown, each with its source."""

    rows: int | None
    rows_from: str
    lengths: Lengths | None
    lengths_from: str
    measured: int = 0
    """The number of rows whose tokens were counted; 0 if the length is assumed."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """The number of unusable rows, by reason; `rows` are the others."""
    notes: Sequence[str] = ()
    """The mapping of columns."""


def count(recipe: TrainRecipe) -> Counted:
    """The facts about the data. Raises InputError for an unreadable file."""
    return counted_for(recipe, _count(recipe))


def _count(recipe: TrainRecipe) -> Counted:
    missing = ", ".join(path for path in recipe.data.paths if not Path(path).is_file())
    if missing:
        return _assumed(recipe, f"{missing} is not on this machine")
    template = _Template(recipe)
    samples = [_Sample.of(recipe, source, template) for source in recipe.data.sources]
    tokens = template.tokens or _tokenizer(recipe)
    measured = [sample.measured(tokens, recipe.schedule.max_length) for sample in samples]
    source = f"counted in {', '.join(recipe.data.paths)}"
    rows = sum(_used(sample.rows, recipe) for sample in samples)
    lengths = _lengths(_mixed(measured, recipe), recipe)
    left_out, remarks = _summed(samples)
    said = [f"{count:,} × {remark}" for remark, count in remarks.items()]
    notes = [note for sample in samples for note in sample.notes]
    ways = ways_out([*left_out, *remarks], recipe.method.kind)
    notes += [*template.notes, *_shares(samples, rows, recipe), *said, *ways]
    return Counted(rows, source, *lengths, left_out, notes)


def _summed(samples: Sequence[_Sample]) -> tuple[Counter[str], Counter[str]]:
    """Dropped rows, and rows with warnings, of all sources."""
    left_out, remarks = Counter[str](), Counter[str]()
    for sample in samples:
        left_out.update(sample.left_out)
        remarks.update(sample.remarks)
    return left_out, remarks


def _shares(samples: Sequence[_Sample], rows: int, recipe: TrainRecipe) -> list[str]:
    """The number of rows of each source of a mix in an epoch. Raises InputError for a source without rows."""
    mix = recipe.data.mix
    if empty := [source.path for source, sample in zip(mix, samples, strict=False) if not sample.rows]:
        raise InputError(f"data.mix: {', '.join(empty)}: no row is left to train on; remove it from the mix")
    counts = shares(rows, [source.weight for source in mix]) if mix else []
    return [
        f"mix: {source.path}: {share:,} rows of an epoch ({source.weight:.4g}), {seen(share, _used(one.rows, recipe))}"
        for source, one, share in zip(mix, samples, counts, strict=False)
    ]


def _mixed(measured: Sequence[Sequence[Any]], recipe: TrainRecipe) -> Sequence[Any]:
    """Lengths of several sources, as many from each as its weight requires, alternating."""
    if not recipe.data.mix:
        return measured[0]
    counts = shares(sum(map(len, measured)), [source.weight for source in recipe.data.mix])
    return [one for found, wanted in zip(measured, counts, strict=True) for one in islice(cycle(found), wanted)]


def _assumed(recipe: TrainRecipe, why: str) -> Counted:
    """The recipe's assumptions about missing data."""
    rows, lengths, source = recipe.data.rows, _told_length(recipe), _source(recipe)
    return Counted(
        None if rows is None else _used(rows, recipe),
        f"{why}; set data.rows, or --data_path FILE" if rows is None else source,
        lengths,
        f"{why}; set data.tokens_per_row, or --data_path FILE" if lengths is None else source,
    )


def _source(recipe: TrainRecipe) -> str:
    return f"assumed: {recipe.data.source}" if recipe.data.source else "assumed"


def _used(rows: int, recipe: TrainRecipe) -> int:
    """Training rows, after the limit and without held-out rows."""
    held = recipe.data.validation
    rows = min(rows, recipe.data.limit or rows)
    return rows - round(rows * held) if isinstance(held, float) else rows


def _told_length(recipe: TrainRecipe) -> Lengths | None:
    """Lengths around the mean in the recipe, if there is one, with the assumed spread and none truncated."""
    if recipe.data.tokens_per_row is None:
        return None
    mean, window = min(recipe.data.tokens_per_row, recipe.schedule.max_length), recipe.schedule.max_length
    spread = [exp(SPREAD * (NormalDist().inv_cdf((n + 0.5) / SAMPLED))) for n in range(SAMPLED)]
    scale = mean * SAMPLED / sum(spread)
    return replace(lengths_of([min(window, max(1, round(scale * one))) for one in spread], recipe), mean=mean)


def _lengths(measured: Sequence[int] | Sequence[Example], recipe: TrainRecipe) -> tuple[Lengths | None, str, int]:
    """The lengths of these rows, their source, and the number of rows whose tokens were counted."""
    counts = [one for one in measured if isinstance(one, int)]
    if counts:
        return lengths_of(counts, recipe), f"mean of {len(counts):,} sampled rows", len(counts)
    if lengths := _told_length(recipe):
        return lengths, _source(recipe), 0
    characters = [len(one.prompt) + len(one.completion) for one in measured if isinstance(one, Example)]
    if not characters:
        return None, "no row is usable", 0
    lengths = lengths_of([max(1, round(count / CHARACTERS_PER_TOKEN)) for count in characters], recipe)
    how = f"assumed: {CHARACTERS_PER_TOKEN} characters per token, because no tokenizer of the model is on this machine"
    return lengths, how, 0


@dataclass
class _Sample:
    """The number of usable rows, the sequences of a sample of them, and the outcomes of the others."""

    rows: int = 0
    examples: list[tuple[Example, ...]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, recipe: TrainRecipe, data: Data, template: _Template) -> _Sample:
        """Read all rows; each usable row has the same probability of being sampled (Vitter's algorithm R)."""
        rng, found = Random(recipe.seed), cls()
        for one in rows_read(recipe, data, template, found.notes.append):
            if isinstance(one, Rejected):
                found.left_out[one.reason] += 1
                continue
            found.rows += 1
            found.remarks.update(remark for sequence in one for remark in sequence.remarks)
            if len(found.examples) < SAMPLED:
                found.examples.append(one)
            elif (place := rng.randrange(found.rows)) < SAMPLED:
                found.examples[place] = one
        return found

    def measured(self, tokens: Tokens | None, window: int) -> Sequence[int] | Sequence[Example]:
        """The tokens of the sampled sequences; the sequences themselves if no tokenizer is available.

        Rows that do not fit are dropped, in the whole file in the same proportion as in the sample. All sequences of a
        row count as too long if one of them is.
        """
        if tokens is None:
            return [sequence for row in self.examples for sequence in row]
        found: list[int] = []
        lost = Counter[str]()
        for row in self.examples:
            counts = [tokens(sequence) for sequence in row]
            reason = next((one for one in counts if isinstance(one, str)), None)
            if reason is not None:
                lost[reason] += 1
                continue
            known = [one for one in counts if isinstance(one, int)]
            found += known if max(known) <= window else [max(known)] * len(known)
        of_all = self.rows / len(self.examples) if self.examples else 1
        for reason, count in lost.items():
            self.left_out[reason] += round(count * of_all)
            self.rows -= round(count * of_all)
        return found


class _Template:
    """Renders chats with the tokenizer that the training would load, at the first chat.

    If it is not on this machine, or has no template, a chat counts as its plain text.
    """

    chat_template = "that of the tokenizer, once it is loaded"

    def __init__(self, recipe: TrainRecipe) -> None:
        self._recipe = recipe
        self._encoder: Encoder | None = None
        self.notes: list[str] = []

    @property
    def tokens(self) -> Tokens | None:
        """Counts the tokens of a row as in training; None if no chat was rendered."""
        encoder, window = self._encoder, self._recipe.schedule.max_length
        if encoder is None:
            return None

        def count(row: Example) -> int | str:
            [found] = encoder.encoded([row])
            return encoder.misfit(row, found, window) or found.tokens

        return count

    @cached_property
    def eos_token(self) -> str | None:
        """The end token, from the tokenizer's files."""
        folder = folder_of(self._recipe.model.tokenizer or self._recipe.model.path)
        return None if folder is None else _Settings.of(folder).end

    @cached_property
    def special_tokens(self) -> set[str]:
        """The tokens beside the vocabulary, from the tokenizer's files; none if it is not on this machine."""
        folder = folder_of(self._recipe.model.tokenizer or self._recipe.model.path)
        return set() if folder is None else special_tokens(folder)

    @property
    def has_template(self) -> bool:
        """Whether the training would find a template; assumed for a tokenizer that is not on this machine."""
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
    """A function that counts the tokens of a row, end token included, if the model's tokenizer is on this machine."""
    folder = folder_of(recipe.model.tokenizer or recipe.model.path)
    if folder is None or not (folder / "tokenizer.json").is_file() or importlib.util.find_spec("tokenizers") is None:
        return None
    try:
        loaded: Any = importlib.import_module("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exceptions
        raise InputError(f"{folder / 'tokenizer.json'}: cannot be loaded: {error}") from error
    loaded.no_truncation()
    loaded.no_padding()
    return _counter(loaded, _Settings.of(folder), recipe.schedule.max_length)


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings of `tokenizer_config.json` for the tokens at the ends of a text."""

    begin: str | None
    end: str | None
    begins: bool
    """Whether a text gets the start token whatever `tokenizer.json` says."""

    @classmethod
    def of(cls, folder: Path) -> _Settings:
        config = read_json(folder / "tokenizer_config.json")
        table = config if isinstance(config, dict) else {}
        return cls(_text(table.get("bos_token")), _text(table.get("eos_token")), table.get("add_bos_token") is True)


def _text(token: Any) -> str | None:
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) and found else None


def _counter(tokenizer: Any, settings: _Settings, window: int) -> Tokens:
    """As `Encoder` counts a pair of texts, without transformers."""
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    start = None if settings.begin is None else tokenizer.token_to_id(settings.begin)

    def count(row: Example) -> int | str:
        begun = bool(settings.begin) and row.prompt.startswith(str(settings.begin))
        prompt = tokenizer.encode(row.prompt, add_special_tokens=not begun).ids
        if settings.begins and start is not None and prompt[:1] != [start]:
            prompt = [start, *prompt]
        completion = tokenizer.encode(row.completion, add_special_tokens=False).ids
        if not special.isdisjoint(completion[:-1]):
            return INSIDE
        return PROMPT_TOO_LONG if len(prompt) >= window else len(prompt) + len(completion) + 1

    return count


def folder_of(model: str) -> Path | None:
    """The location of a model on this machine: a folder, an embedded one, or the local Hub cache; None if missing."""
    try:
        return folder_on_disk(nano.resolve(model, "base"))
    except InputError:
        return None
