"""Turns problems with a known answer into prompts for reinforcement learning.

Decides which rows are usable, and the reason under which others are dropped: no prompt or gold, a gold that fails its
own verifier, a prompt that leaves no room for an answer. A row with `problem` gets the prompt of its domain, as in
`solve`; any other row uses its `messages`, if the tokenizer has a template, or its `prompt`, unchanged. Golds are
checked once: the result is cached under a hash of rows, tokenizer and settings.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray

from promptcot import domains, nano
from promptcot.core.columns import Columns
from promptcot.core.problems import gold_if_any
from promptcot.core.prompts import PromptSet
from promptcot.core.units import counted
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.rewards import passes
from promptcot.storage.atomic import write_whole
from promptcot.storage.checked import read_document, write_document
from promptcot.storage.json import dumps
from promptcot.storage.rows import with_ids
from promptcot.storage.sources import cache_folder
from promptcot.training.data.chat import Turn, has_template, render
from promptcot.training.data.encoding import Encoder, Ids, tokenizer_hash
from promptcot.training.data.reading import Example, Rejected
from promptcot.training.data.reasons import PROMPT_TOO_LONG, RENDERED, UNREADABLE, nothing_left, ways_out
from promptcot.training.data.rendered import is_rendered
from promptcot.training.data.rows import fingerprint, rows_of
from promptcot.training.data.turns import Unusable, text, turns_of
from promptcot.training.data_recipe import Data
from promptcot.training.method_recipe import Grpo
from promptcot.training.recipe import TrainRecipe

_VERSION = 1
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class PromptCounts:
    """The outcomes of the rows."""

    rows_in: int
    kept: int
    dropped: Mapping[str, int]
    tokens: int

    def __str__(self) -> str:
        lost = [f"{count:,} dropped ({reason})" for reason, count in self.dropped.items()]
        return "; ".join(
            [
                f"{counted(self.rows_in, 'row')}, {self.kept:,} kept",
                *lost,
                f"{counted(self.tokens, 'prompt token')}",
            ]
        )


class Prompts:
    """The kept prompts, numbered from 0. `rows` have `id`, `prompt`, `ids`, `answer`, and `columns`.

    `columns` are the row's own fields, for a user's own reward function.
    """

    def __init__(
        self, rows: list[Row], dropped: Mapping[str, str], read_as: list[str], path: Path, contents: Row
    ) -> None:
        self.rows, self.reasons, self.read_as, self._path = rows, dropped, read_as, path
        self.fingerprint = contents

    def __len__(self) -> int:
        return len(self.rows)

    def id(self, number: int) -> str:
        return str(self.rows[number]["id"])

    def row(self, number: int) -> tuple[Ids, int]:
        """The ids of a prompt, and their number: no answer follows them."""
        ids = np.array(self.rows[number]["ids"], np.int32)
        return ids, len(ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The tokens of each prompt."""
        return np.array([len(row["ids"]) for row in self.rows], np.int64)

    @cached_property
    def counts(self) -> PromptCounts:
        """The outcomes of the rows."""
        reasons = dict(Counter(self.reasons.values()))
        return PromptCounts(len(self) + len(self.reasons), len(self), reasons, int(self.lengths.sum()))

    @property
    def lines(self) -> list[str]:
        """The summary for the user, with remedies for dropped rows at the end."""
        return [*self.read_as, str(self.counts), *ways_out(self.counts.dropped, "grpo")]

    @cached_property
    def dropped(self) -> Path:
        """The dropped rows, one per line."""
        path = self._path.with_suffix(".dropped.jsonl")
        if not path.exists():
            write_whole(path, b"".join(dumps({"id": one, "reason": why}) for one, why in self.reasons.items()))
        return path


def open_prompts(recipe: TrainRecipe, grpo: Grpo, tokenizer: Any) -> Prompts:
    """The prompts of a recipe, read and checked unless cached. Raises InputError if none is left."""
    domain = _domain(recipe, grpo)
    settings = {
        "version": _VERSION,
        "room": recipe.schedule.max_length - grpo.max_completion_length,
        "reward": grpo.reward.model_dump(include={"function", "verifier", "limit"}),
        "solve": domain.sources,
        **recipe.data.model_dump(include={"chat", "limit", "split", "columns"}),
    }
    identity = {"data": fingerprint(recipe.data), "tokenizer": tokenizer_hash(tokenizer), "settings": settings}
    key = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()
    path = cache_folder() / "prompts" / f"{key}.json"
    found = read_document(path)
    if found is None:
        found = _made(recipe, grpo, tokenizer, domain)
        write_document(path, found)
    if not found["rows"]:
        lost = Counter(found["dropped"].values())
        raise InputError(nothing_left(recipe.data.path, "prompt", lost, recipe.schedule.max_length, "grpo"))
    return Prompts(found["rows"], found["dropped"], found["read_as"], path, identity)


def _made(recipe: TrainRecipe, grpo: Grpo, tokenizer: Any, domain: _Domain) -> Row:
    kept: list[Row] = []
    dropped: dict[str, str] = {}
    read_as: list[str] = []
    asked, encoder = _Asked(recipe.data, tokenizer, domain), Encoder(tokenizer)
    room = recipe.schedule.max_length - grpo.max_completion_length
    for batch in _batches(_rows(recipe.data, tokenizer, read_as.append)):
        examples: list[tuple[Row, Example]] = []
        for row in batch:
            try:
                examples.append((row, asked(row)))
                _check_gold(row, grpo)
            except Unusable as reason:
                dropped[str(row["id"])] = str(reason)
        usable = [(row, example) for row, example in examples if example.id not in dropped]
        for (row, example), (ids, _) in zip(usable, encoder([example for _, example in usable]), strict=True):
            if len(ids) > room:
                dropped[example.id] = PROMPT_TOO_LONG
                continue
            more = {} if grpo.reward.function is None else {"columns": row}
            gold = gold_if_any(row, example.id)
            kept.append({"id": example.id, "prompt": example.prompt, "ids": ids.tolist(), "answer": gold, **more})
    return {"rows": kept, "dropped": dropped, "read_as": read_as}


def questions(recipe: TrainRecipe, tokenizer: Any, tell: Callable[[str], None]) -> Iterator[Example | Rejected]:
    """The prompts of a recipe as examples without a completion, with unchecked golds, for counting."""
    asked = _Asked(recipe.data, tokenizer, _domain(recipe, recipe.method.grpo or Grpo()))
    for row in _rows(recipe.data, tokenizer, tell):
        try:
            yield asked(row)
        except Unusable as reason:
            yield Rejected(str(row["id"]), str(reason))


def _rows(data: Data, tokenizer: Any, tell: Callable[[str], None]) -> Iterator[Row]:
    """The rows, each with an id. A chat is used unchanged if it can be rendered, otherwise its problem is."""
    way = Columns.prompts if has_template(tokenizer) else Columns.problems
    found = rows_of(data, tell, lambda columns, rows: (row for _, row in way(columns, rows)))
    return with_ids(islice(found, data.limit))


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _check_gold(row: Row, grpo: Grpo) -> None:
    """Raises Unusable for a row without a gold that an answer could meet; a function of one's own may need none."""
    if grpo.reward.function is not None:
        return
    gold = gold_if_any(row, "")
    if gold is None:
        raise Unusable("no gold")
    if not passes(gold, verifier=grpo.reward.verifier, limit=grpo.reward.limit):
        raise Unusable(UNREADABLE)


@dataclass(frozen=True)
class _Domain:
    """The prompt of a domain, and its identity for the cache."""

    render: Callable[[str], str]
    turns: Callable[[str], list[Turn]]
    sources: str


def _domain(recipe: TrainRecipe, grpo: Grpo) -> _Domain:
    """The wording of `solve` in the named domain, or in that of the model."""
    named = grpo.domain or (nano.NAME if nano.is_nano(recipe.model.path) else domains.DEFAULT)
    prompts: PromptSet = domains.load(named)

    def turns(problem: str) -> list[Turn]:
        return [{"role": one.role, "content": one.content} for one in prompts.messages("solve", problem=problem)]

    return _Domain(
        lambda problem: prompts.render("solve", problem=problem),
        turns,
        f"{named}: {prompts.render('solve', problem='?')}, {turns('?')}",
    )


class _Asked:
    """Converts rows to prompts. Raises Unusable for rows without a prompt."""

    def __init__(self, data: Data, tokenizer: Any, domain: _Domain) -> None:
        self._chat, self._tokenizer, self._domain = data.chat, tokenizer, domain

    def __call__(self, row: Row) -> Example:
        name, found = str(row["id"]), self._words(row)
        if isinstance(found, str):
            return Example(name, text(found, "prompt"), "")
        if any(is_rendered(turn["content"]) for turn in found):
            raise Unusable(RENDERED)
        try:
            return Example(name, text(render(self._tokenizer, found), "prompt"), "", chat=True)
        except TemplateError as error:
            raise Unusable("refused by the chat template") from error

    def _words(self, row: Row) -> str | list[Turn]:
        """A raw prompt, or the turns before the answer."""
        problem, prompt, messages = row.get("problem"), row.get("prompt"), row.get("messages")
        template = has_template(self._tokenizer)
        if isinstance(problem, str) and problem.strip():
            return self._domain.turns(problem) if template else self._domain.render(problem)
        if messages is not None and (template or prompt is None):
            return _before_the_answer(turns_of(messages))
        if isinstance(prompt, str) and prompt.strip():
            return [{"role": "user", "content": prompt}] if self._chat else prompt
        if isinstance(prompt, list):
            return _before_the_answer(turns_of(prompt))
        raise Unusable("no prompt")


def _before_the_answer(turns: list[Turn]) -> list[Turn]:
    """The turns without the answer at the end, which must not be visible. Raises Unusable."""
    while turns and turns[-1]["role"] == "assistant":
        turns = turns[:-1]
    if not any(turn["content"].strip() for turn in turns):
        raise Unusable("no prompt")
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]
