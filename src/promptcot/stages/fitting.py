"""Checks whether the form of a prompt suits the model's tokenizer.

Pure. It only warns: the prompts stay as the recipe sets them. Other modules find the tokenizer and read its files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARK = re.compile(r"<[|｜][^<>|｜]{1,40}[|｜]>")
"""Turn markers in a raw prompt, such as `<|im_start|>` or `<｜User｜>`."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Facts from a tokenizer's files: whether it has a chat template, and its tokens outside the vocabulary."""

    has_template: bool
    tokens: frozenset[str]


def misfits(prompt: str, chat: bool, tokenizer: Traits | None) -> Iterator[str]:
    """The mismatches, each with a remedy. `prompt` is the raw prompt, or the user's turn of a `chat`.

    Without a tokenizer (None) only one thing is known: a chat template writes the turn markers itself.
    """
    marks = dict.fromkeys(_MARK.findall(prompt))
    if chat:
        yield from _chat(", ".join(marks), tokenizer)
    elif tokenizer is not None:
        unknown = [mark for mark in marks if tokenizer.tokens and mark not in tokenizer.tokens]
        yield from _raw(bool(marks), ", ".join(unknown), tokenizer)


def _chat(marks: str, tokenizer: Traits | None) -> Iterator[str]:
    if marks:
        yield (
            f"the style contains turn markers ({marks}), and the chat template would put them into a user's "
            "turn: leave the style out, or use raw prompts (--set model.chat=false)"
        )
    if tokenizer is not None and not tokenizer.has_template:
        yield "the prompts are chats, but its tokenizer has no chat template: use raw prompts (--set model.chat=false)"


def _raw(marked: bool, unknown: str, tokenizer: Traits) -> Iterator[str]:
    if unknown:
        yield (
            f"the style has {unknown}, which its tokenizer does not know as tokens and reads as plain text: the style "
            "belongs to another model family; leave it out and set model.chat=true, or use the model's own style"
        )
    elif tokenizer.has_template and not marked:
        yield (
            "the prompts are raw and have no turn markers, but its tokenizer has a chat template: if the model was "
            "trained on chats, use chats (--set model.chat=true) or a style of its family"
        )
