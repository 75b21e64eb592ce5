"""Reads rows of a prompt with a chosen and a rejected answer, as two sequences with a common prefix.

Decides which pairs are usable, and the reason under which others are dropped. Answers are texts or messages; where the
messages of both sides begin with the user's turns, these are the prompt (TRL calls it implicit). A row with texts and
messages, as `label` writes it, is a chat if the tokenizer has a template, and texts otherwise. `turns` extracts the
text of turns, `encoding` encodes it; a pair is dropped if either side is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot.core.columns import Columns, fields_of
from promptcot.core.units import counted
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.json import loads
from promptcot.storage.rows import with_ids
from promptcot.training.data.chat import Turn, has_template
from promptcot.training.data.reading import Example, Reader, Rejected
from promptcot.training.data.reasons import nothing_left, ways_out
from promptcot.training.data.rows import rows_of
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokens import open_store, side_of
from promptcot.training.data.turns import Unusable, turns_of
from promptcot.training.data_recipe import Data
from promptcot.training.recipe import TrainRecipe

CHOSEN, REJECTED = "chosen", "rejected"
_CHATS = {side: f"{side}_messages" for side in (CHOSEN, REJECTED)}
"""The fields in which `label` writes the sides as chats, beside the texts."""
_NO_PROMPT = "no prompt"


def pairs(data: Data, tokenizer: Any, tell: Callable[[str], None]) -> Iterator[tuple[Example, Example] | Rejected]:
    """The chosen and the rejected side of each row, under one id. Raises InputError."""
    reader = Reader(data, tokenizer)
    # columns that the user names take precedence
    chats = has_template(tokenizer) and data.columns.keys().isdisjoint((CHOSEN, REJECTED))
    for row in with_ids(islice(rows_of(data, tell, Columns.pairs), data.limit)):
        try:
            yield _pair(row, reader, chats)
        except Unusable as reason:
            yield Rejected(str(row["id"]), str(reason))


def sides(data: Data, tokenizer: Any, tell: Callable[[str], None]) -> Iterator[Example | Rejected]:
    """The same, one side after the other. Raises InputError."""
    for found in pairs(data, tokenizer, tell):
        if isinstance(found, Rejected):
            yield found
        else:
            yield from found


def _pair(row: Row, reader: Reader, chats: bool) -> tuple[Example, Example]:
    if all(row.get(name) is None for name in (CHOSEN, REJECTED, *_CHATS.values())):
        raise Unusable(f"neither chosen nor rejected: {_fields(row)}")
    chosen, rejected = (_read(reader, _side(row, side, chats), side) for side in (CHOSEN, REJECTED))
    if chosen.prompt != rejected.prompt:
        raise Unusable("the sides have different prompts")
    if chosen.completion.strip() == rejected.completion.strip():
        raise Unusable("chosen and rejected are equal")
    return chosen, rejected


def _read(reader: Reader, row: Row, side: str) -> Example:
    """The answer as in fine-tuning. Raises Unusable."""
    found = reader(row)
    if isinstance(found, Rejected):
        raise Unusable(f"{side}: {found.reason}")
    return found


def _side(row: Row, side: str, chats: bool) -> Row:
    """One answer as a row of fine-tuning: texts, or the chat in the row if `chats` are wanted."""
    prompt, answer = row.get("prompt"), row.get(side)
    if chats and all(row.get(name) for name in _CHATS.values()):
        answer = row[_CHATS[side]]
    elif isinstance(prompt, str) and isinstance(answer, str) and not _any_turns(row):
        if not prompt.strip():
            raise Unusable(_NO_PROMPT)
        return {"id": row["id"], "prompt": prompt, "completion": answer}
    return {"id": row["id"], "messages": _without_prompt(row, turns_of(answer, "assistant", f"{side} answer"))}


def _any_turns(row: Row) -> bool:
    return any(isinstance(row.get(side), list) for side in (CHOSEN, REJECTED))


def _without_prompt(row: Row, said: list[Turn]) -> list[Turn]:
    """The answer after the prompt, which may be repeated at its beginning. Raises Unusable."""
    prompt, first = row.get("prompt"), next((turn["role"] for turn in said if turn["role"] != "system"), None)
    if not prompt and first != "user":
        raise Unusable(_NO_PROMPT if prompt is not None else f"{_NO_PROMPT}: {_fields(row)}")
    asked = turns_of(prompt, "user", "prompt") if prompt else []
    if first != "user":
        return asked + said
    spoken, wanted = (_contents(turns) for turns in (said, asked))
    if not all(any(one.strip() in other for other in spoken) for one in wanted):
        raise Unusable("the sides do not begin with the prompt")
    return said


def _contents(turns: list[Turn]) -> list[str]:
    return [turn["content"] for turn in turns if turn["role"] != "assistant"]


def _fields(row: Row) -> str:
    """The names of the non-null fields, under which rows are counted."""
    return fields_of(dict.fromkeys(row, ""))


@dataclass(frozen=True, slots=True)
class PairCounts:
    """The outcomes of the pairs; `tokens` are those of both sides, with the prompt twice.

    `remarks` are counted by sides, over all data, even if some pairs are held out.
    """

    rows_in: int
    kept: int
    dropped: Mapping[str, int]
    held_out: int
    tokens: int
    completion_tokens: int
    remarks: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        lost = [f"{count:,} dropped ({reason})" for reason, count in self.dropped.items()]
        noted = [f"{count:,} × {remark}, counted by sides" for remark, count in self.remarks.items()]
        apart = [f"{self.held_out:,} in the other part of the validation split"] if self.held_out else []
        tokens = f"{counted(self.tokens, 'token')}, {self.completion_tokens:,} of them in answers"
        return "; ".join([f"{counted(self.rows_in, 'pair')}, {self.kept:,} kept", *lost, *noted, *apart, tokens])


class Pairs:
    """Pairs of which both sides were kept, numbered from 0; `len` is their number.

    `chosen` and `rejected` are stores of the sides, in one order. `whole` is their common store, and `held_out` the
    number of its pairs that are not here; `which` says whether these are for training or for validation.
    """

    def __init__(self, chosen: TokenStore, rejected: TokenStore, whole: TokenStore, held_out: int, which: str) -> None:
        self.chosen, self._rejected, self._whole, self._held_out = chosen, rejected, whole, held_out
        self.which = which

    def __len__(self) -> int:
        return len(self.chosen)

    def id(self, pair: int) -> str:
        return self.chosen.id(pair)

    def ids(self, pair: int) -> dict[str, list[int]]:
        """`prompt_ids`, `chosen_ids` and `rejected_ids`, as in TRL's trainer."""
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
        """The outcomes of the pairs."""
        sides = (self.chosen.counts, self._rejected.counts)
        tokens, answers = sum(side.tokens for side in sides), sum(side.completion_tokens for side in sides)
        reasons, kept = dict(Counter(self.dropped.values())), len(self)
        rows, remarks = kept + self._held_out + len(self.dropped), self._whole.counts.remarks
        return PairCounts(rows, kept, reasons, self._held_out, tokens, answers, remarks)

    @property
    def lines(self) -> list[str]:
        """The summary for the user, with remedies for dropped pairs at the end."""
        counts = self.counts
        return [*self._whole.counts.read_as, str(counts), *ways_out([*counts.dropped, *counts.remarks], "dpo")]


def open_pairs(recipe: TrainRecipe, tokenizer: Any, which: Literal["train", "validation"] = "train") -> Pairs:
    """The pairs of a recipe, encoded unless cached. Raises InputError if none is left."""
    share = recipe.data.validation
    if not isinstance(share, str):  # both sides of a pair belong together, so they are split after joining
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": 0.0})})
    whole = open_store(recipe, tokenizer, which=which if isinstance(share, str) else "train", read=sides)
    names = [whole.id(row) for row in range(len(whole))]
    first = np.array([row for row in range(len(whole) - 1) if names[row] == names[row + 1]], np.int64)
    if not len(first):
        lost = Counter(_dropped(whole).values())
        raise InputError(nothing_left(recipe.data.path, "pair", lost, recipe.schedule.max_length, "dpo"))
    chosen, rejected = whole.slice(first), whole.slice(first + 1)
    if not isinstance(share, str):
        whole.fingerprint["held_out"] = share
        chosen, rejected = side_of(chosen, share, which), side_of(rejected, share, which)
    return Pairs(chosen, rejected, whole, len(first) - len(chosen), which)


def _dropped(store: TokenStore) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in store.dropped.read_bytes().splitlines():
        row = loads(line)
        found.setdefault(row["id"], row["reason"])
    return found
