"""Encodes texts as token ids: prompts as inference encodes them, answers as the model should write them.

Prompt and completion are encoded separately, as at inference, where the prompt is given and the answer is generated
token by token after it. The fast tokenizers' batch encoding is used, without offsets.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError
from promptcot.training.data.chat import end_of_turn
from promptcot.training.data.reading import Example
from promptcot.training.data.reasons import INSIDE, PROMPT_TOO_LONG

Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]


class Encoded(NamedTuple):
    """The ids of a prompt and of the completion with its end, and which of the prompt's have a loss (None: none)."""

    prompt: Ids
    completion: Ids
    learnt: Mask | None = None

    @property
    def tokens(self) -> int:
        """How many there are."""
        return len(self.prompt) + len(self.completion)

    @property
    def mask(self) -> Mask:
        """Which of all tokens have a loss."""
        before = np.zeros(len(self.prompt), np.bool_) if self.learnt is None else self.learnt
        return np.concatenate([before, np.ones(len(self.completion), np.bool_)])


def padding_id(tokenizer: Any) -> int:
    """The id for padding: the pad token, or the end token if there is none (it is masked)."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


def tokenizer_hash(tokenizer: Any) -> str:
    """32 hex digits that change with the vocabulary, its rules, the special tokens or the chat template."""
    backend = _plain_backend(tokenizer)
    rules = json.dumps(tokenizer.get_vocab(), sort_keys=True) if backend is None else backend.to_str()
    about = [type(tokenizer).__name__, tokenizer.chat_template, tokenizer.bos_token, tokenizer.eos_token]
    return hashlib.blake2b(f"{json.dumps(about)}\n{rules}".encode(), digest_size=16).hexdigest()


class Encoder:
    """Encodes examples in batches. Raises InputError for a tokenizer without an end token."""

    def __init__(self, tokenizer: Any) -> None:
        if tokenizer.eos_token_id is None:
            raise InputError(
                "the tokenizer has no end token, so the model would never learn to stop: set eos_token in its "
                "tokenizer_config.json"
            )
        self.tokenizer = tokenizer
        self._backend = _plain_backend(tokenizer)
        self._end = np.array([tokenizer.eos_token_id], np.int32)
        self._lead = self._needed_lead()

    def __call__(self, examples: Sequence[Example]) -> list[tuple[Ids, Ids]]:
        """For each example its prompt's ids, and its completion's ids with the end of the answer."""
        return [(row.prompt, row.completion) for row in self.encoded(examples)]

    def encoded(self, examples: Sequence[Example]) -> list[Encoded]:
        """The same, and which tokens of the prompt have a loss."""
        completions = self._continuing([example.completion for example in examples])
        ended = [
            self._ended(ids, example.chat or example.turn) for ids, example in zip(completions, examples, strict=True)
        ]
        rest = iter(self._continuing([piece for example in examples for piece in example.pieces[1:]]))
        found = []
        for example, begun, completion in zip(examples, self._prompts(examples), ended, strict=True):
            pieces = [begun, *(next(rest) for _ in example.pieces[1:])]
            prompt, learnt = np.concatenate(pieces), _odd(pieces) if example.pieces else None
            found.append(Encoded(prompt, completion, learnt))
        return found

    def misfit(self, example: Example, row: Encoded, window: int) -> str | None:
        """The reason to drop a row, independent of the length of its answer, if any.

        A special token before the end of a completion is a quotation, and would be trained as a turn.
        """
        end = self._end_of_turn if example.chat or example.turn else self._end
        if np.isin(row.completion[: -len(end)], self._special).any() or self._inside(row):
            return INSIDE
        return PROMPT_TOO_LONG if len(row.prompt) >= window else None

    def _inside(self, row: Encoded) -> bool:
        """Whether an earlier answer with a loss contains a special token before its end."""
        if row.learnt is None:
            return False
        ends = np.flatnonzero(row.learnt[:-1] & ~row.learnt[1:])  # the last piece is in the prompt
        learnt = row.learnt.copy()
        for end in ends:
            learnt[max(0, end + 1 - len(self._end_of_turn)) : end + 1] = False
        return bool(np.isin(row.prompt[learnt], self._special).any())

    @cached_property
    def _special(self) -> Ids:
        known = self.tokenizer.added_tokens_decoder
        return np.array([number for number, token in known.items() if token.special], np.int32)

    def _prompts(self, examples: Sequence[Example]) -> list[Ids]:
        """With the special tokens that the tokenizer puts before a text, unless the text begins with them already.

        For an example in pieces, the first one.
        """
        begin = self.tokenizer.bos_token
        texts = [example.pieces[0] if example.pieces else example.prompt for example in examples]
        add = [not example.chat and not (begin and example.prompt.startswith(begin)) for example in examples]
        found = {
            special: iter(self._ids([text for text, a in zip(texts, add, strict=True) if a is special], special))
            for special in (True, False)
        }
        return [next(found[special]) for special in add]

    def _continuing(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of texts that are not at the beginning."""
        if not self._lead:
            return self._ids(texts, special=False)
        [lead] = self._ids([self._lead], special=False)
        found = self._ids([self._lead + text for text in texts], special=False)
        plain = self._ids([text for text, ids in zip(texts, found, strict=True) if not _begins(ids, lead)], False)
        rest = iter(plain)
        return [ids[len(lead) :] if _begins(ids, lead) else next(rest) for ids in found]

    def _needed_lead(self) -> str:
        """A line break to put before an answer if the tokenizer puts a space before every text."""
        alone, lead, after = self._ids(["a", "\n", "\na"], special=False)
        return "\n" if _begins(after, lead) and not np.array_equal(after[len(lead) :], alone) else ""

    def _ended(self, ids: Ids, chat: bool) -> Ids:
        end = self._end_of_turn if chat else self._end
        closed = len(ids) > 0 and ids[-1] in (end[-1], self._end[-1])
        return ids if closed else np.concatenate([ids, end])

    @cached_property
    def _end_of_turn(self) -> Ids:
        """The end of an answer in a chat: the template's own text, and the end token unless that text is special."""
        [ids] = self._continuing([end_of_turn(self.tokenizer)])
        known = self.tokenizer.added_tokens_decoder
        special = len(ids) > 0 and int(ids[-1]) in known and known[int(ids[-1])].special
        return ids if special else np.concatenate([ids, self._end])

    def _ids(self, texts: Sequence[str], special: bool) -> list[Ids]:
        if self._backend is None:
            found = [self.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"] for text in texts]
        else:
            batch = self._backend.encode_batch_fast(list(texts), add_special_tokens=special)
            found = [encoding.ids for encoding in batch]
        return [np.frombuffer(array("i", ids), np.int32) for ids in found]


def _plain_backend(tokenizer: Any) -> Any:
    """The fast tokenizer's own object, neither cutting nor padding; None for a slow one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()
    return backend


def _odd(pieces: Sequence[Ids]) -> Mask:
    """The tokens of every second piece."""
    return np.concatenate([np.full(len(ids), place % 2 == 1) for place, ids in enumerate(pieces)])


def _begins(ids: Ids, start: Ids) -> bool:
    return len(ids) >= len(start) and np.array_equal(ids[: len(start)], start)
