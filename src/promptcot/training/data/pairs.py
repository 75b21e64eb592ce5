"""Rows of a prompt with a chosen and a rejected answer, as two sequences each that begin alike.

Decides what a usable pair is, and under which reason another is left out. Sides are texts, or messages; where the
messages of both sides begin with the user's turns, these are the prompt (TRL calls it implicit). A row with both, as
`label` writes it, is learnt as a chat where the tokenizer has a template, and else as texts. What turns say is decided
in `turns`, which tokens texts become in `encoding`; a pair is left out where either of its sides is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray

from promptcot.core.columns import Columns
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.json import loads
from promptcot.storage.rows import with_ids
from promptcot.training.data.chat import Turn, continued, has_template, render
from promptcot.training.data.rows import Example, Rejected, rows_of
from promptcot.training.data.tokens import TokenStore, open_store, side_of
from promptcot.training.data.turns import Unusable, divided, text, turns_of
from promptcot.training.recipe import Data, TrainRecipe

CHOSEN, REJECTED = "chosen", "rejected"
_NO_PROMPT = "no prompt"


def sides(data: Data, tokenizer: Any, tell: Callable[[str], None]) -> Iterator[Example | Rejected]:
    """Of each pair the chosen side and then the rejected one, under one id. Raises InputError."""
    for row in with_ids(islice(rows_of(data, tell, Columns.pairs), data.limit)):
        name = str(row["id"])
        try:
            pair = _pair(name, row, data.chat, tokenizer)
        except Unusable as reason:
            yield Rejected(name, str(reason))
        else:
            yield from pair


def _pair(name: str, row: Row, chat: bool, tokenizer: Any) -> tuple[Example, Example]:
    if all(row.get(side) is None for side in (CHOSEN, REJECTED)):
        raise Unusable("neither chosen nor rejected")
    spoken = _spoken(row, tokenizer)
    if spoken is None and not chat and all(isinstance(row.get(side), str) for side in (CHOSEN, REJECTED)):
        if not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
            raise Unusable(_NO_PROMPT)
        prompt = text(row["prompt"], "prompt")
        answers = [text(row[side], f"{side} answer") for side in (CHOSEN, REJECTED)]
    else:
        prompt, answers = _rendered(row, spoken or {}, tokenizer)
    if answers[0].strip() == answers[1].strip():
        raise Unusable("chosen and rejected are equal")
    chosen, rejected = (
        Example(name, prompt, continued(prompt, one), chat=_is_chat(row, spoken, chat)) for one in answers
    )
    return chosen, rejected


def _is_chat(row: Row, spoken: Mapping[str, Any] | None, chat: bool) -> bool:
    return chat or spoken is not None or not isinstance(row.get(CHOSEN), str)


def _spoken(row: Row, tokenizer: Any) -> dict[str, Any] | None:
    """The sides as chats that stand beside the texts, where the tokenizer can render them."""
    found = {side: row.get(f"{side}_messages") for side in (CHOSEN, REJECTED)}
    return found if None not in found.values() and has_template(tokenizer) else None


def _rendered(row: Row, spoken: Mapping[str, Any], tokenizer: Any) -> tuple[str, list[str]]:
    """The prompt as the template writes it, and both answers. Raises Unusable."""
    found = [_asked(spoken.get(side, row.get(side)), row.get("prompt"), side) for side in (CHOSEN, REJECTED)]
    if found[0][0] != found[1][0]:
        raise Unusable("the sides have different prompts")
    try:
        return render(tokenizer, found[0][0]), [answer for _, answer in found]
    except TemplateError as error:
        raise Unusable("refused by the chat template") from error


def _asked(side: Any, prompt: Any, name: str) -> tuple[list[Turn], str]:
    """The turns before the answer of a side, its own or those of the prompt, and the answer."""
    said = turns_of(side, "assistant", f"{name} answer")
    if not any(turn["role"] == "user" for turn in said):
        if not prompt:
            raise Unusable(_NO_PROMPT)
        said = turns_of(prompt, "user", "prompt") + said
    return divided(said)


@dataclass(frozen=True, slots=True)
class PairCounts:
    """What became of the pairs; `tokens` are those of both sides, the prompt twice."""

    rows_in: int
    kept: int
    dropped: Mapping[str, int]
    held_out: int
    tokens: int
    completion_tokens: int

    def __str__(self) -> str:
        lost = [f"{count:,} dropped ({reason})" for reason, count in self.dropped.items()]
        apart = [f"{self.held_out:,} on the other side of the validation"] if self.held_out else []
        tokens = f"{self.tokens:,} tokens, {self.completion_tokens:,} of them of answers"
        return "; ".join([f"{self.rows_in:,} pairs, {self.kept:,} kept", *lost, *apart, tokens])


class Pairs:
    """Pairs whose sides were both kept, numbered from 0; `len` is how many.

    `chosen` and `rejected` are stores of the sides, in one order. `whole` is the store that they are of, and `held_out`
    how many of its pairs are not here; `which` says whether these are for training or for validation.
    """

    def __init__(self, chosen: TokenStore, rejected: TokenStore, whole: TokenStore, held_out: int, which: str) -> None:
        self.chosen, self._rejected, self._whole, self._held_out = chosen, rejected, whole, held_out
        self.which = which

    def __len__(self) -> int:
        return len(self.chosen)

    def id(self, pair: int) -> str:
        return self.chosen.id(pair)

    def ids(self, pair: int) -> dict[str, list[int]]:
        """`prompt_ids`, `chosen_ids` and `rejected_ids`, as TRL's trainer has them."""
        (chosen, prompt), (rejected, _) = self.chosen.row(pair), self._rejected.row(pair)
        answers = {"chosen_ids": chosen[prompt:].tolist(), "rejected_ids": rejected[prompt:].tolist()}
        return {"prompt_ids": chosen[:prompt].tolist(), **answers}

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The tokens of the sides, first all chosen ones."""
        return np.concatenate([self.chosen.lengths, self._rejected.lengths]).astype(np.int64)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What the pairs were made of."""
        return self.chosen.fingerprint

    @property
    def folder(self) -> Path:
        """Where their tokens lie."""
        return self._whole.dropped.parent

    @cached_property
    def dropped(self) -> dict[str, str]:
        """The reason for each pair that was left out, by id."""
        return _dropped(self._whole)

    @cached_property
    def counts(self) -> PairCounts:
        """What became of the pairs."""
        sides = (self.chosen.counts, self._rejected.counts)
        tokens, answers = sum(side.tokens for side in sides), sum(side.completion_tokens for side in sides)
        reasons, kept = dict(Counter(self.dropped.values())), len(self)
        return PairCounts(kept + self._held_out + len(self.dropped), kept, reasons, self._held_out, tokens, answers)

    @property
    def read_as(self) -> tuple[str, ...]:
        """Which columns of which file were taken for what."""
        return self._whole.counts.read_as


def open_pairs(recipe: TrainRecipe, tokenizer: Any, which: Literal["train", "validation"] = "train") -> Pairs:
    """The pairs of a recipe, encoded where they are not in the cache yet. Raises InputError where none is left."""
    share = recipe.data.validation
    if not isinstance(share, str):  # a pair is on one side as a whole, so both are divided after they were joined
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": 0.0})})
    whole = open_store(recipe, tokenizer, which=which if isinstance(share, str) else "train", read=sides)
    names = [whole.id(row) for row in range(len(whole))]
    first = np.array([row for row in range(len(whole) - 1) if names[row] == names[row + 1]], np.int64)
    if not len(first):
        why = ", ".join(f"{count:,} × {reason}" for reason, count in Counter(_dropped(whole).values()).items())
        raise InputError(f"{', '.join(recipe.data.path)}: no pair is left to train on: {why}")
    chosen, rejected = whole.slice(first), whole.slice(first + 1)
    if not isinstance(share, str) and (share or which == "validation"):
        chosen, rejected = side_of(chosen, share, which), side_of(rejected, share, which)
    return Pairs(chosen, rejected, whole, len(first) - len(chosen), which)


def _dropped(store: TokenStore) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in store.dropped.read_bytes().splitlines():
        row = loads(line)
        found.setdefault(row["id"], row["reason"])
    return found
