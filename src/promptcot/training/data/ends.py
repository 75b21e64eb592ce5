"""Removes end tokens that a completion already has, such as `<|im_end|>` or `</s>`, since training adds one.

Decides what counts as an end token (those of known models, the tokenizer's own, and the end of a turn in its chat
template), and whether a text ends with its turn. `encoding` refuses end tokens elsewhere in a text.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.training.data.stop_tokens import turn_end


@dataclass(frozen=True, slots=True)
class Unended:
    """A text without its end tokens. `turn`: the first of them ends a turn, not a text, in this tokenizer.

    `foreign`: one of them is not a special token of this tokenizer.
    """

    text: str
    turn: bool = False
    foreign: bool = False


class EndMarks:
    """The end tokens of a tokenizer; for None, or a stand-in, only those that it reports."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def taken_off(self, text: str) -> Unended:
        """The text without end tokens at its end, including repeated ones and white space between and after them."""
        kept = self._without(text)
        marks = text[len(kept) :].strip()
        if not marks:
            return Unended(kept)
        turn = self._turn is not None and marks.startswith(self._turn)
        return Unended(kept, turn, self._is_foreign(marks))

    def _without(self, text: str) -> str:
        while True:
            kept = without_end_tokens(text)
            bare = kept.rstrip()
            own = next((mark for mark in self._own if bare.endswith(mark)), None)
            if own is None:
                return kept
            text = bare.removesuffix(own)

    def _is_foreign(self, marks: str) -> bool:
        if not self._special:
            return False  # nothing is known of the tokenizer
        for mark in sorted(self._special, key=len, reverse=True):
            marks = marks.replace(mark, "")
        return bool(marks.strip())

    @cached_property
    def _own(self) -> tuple[str, ...]:
        """What ends a text, and what ends a turn."""
        return tuple(filter(None, (getattr(self._tokenizer, "eos_token", None), self._turn)))

    @cached_property
    def _turn(self) -> str | None:
        """What ends a turn where that is another token than what ends a text."""
        known = self._tokenizer is None or not hasattr(self._tokenizer, "added_tokens_decoder")
        number = None if known else turn_end(self._tokenizer)
        same = number is None or number == self._tokenizer.eos_token_id
        return None if same else str(self._tokenizer.added_tokens_decoder[number])

    @cached_property
    def _special(self) -> Set[str]:
        """The special tokens of the tokenizer, as texts."""
        if (told := getattr(self._tokenizer, "special_tokens", None)) is not None:
            return frozenset(told)
        known = getattr(self._tokenizer, "added_tokens_decoder", {})
        own = getattr(self._tokenizer, "eos_token", None)
        return {str(token) for token in known.values() if token.special} | ({own} if own else set())
