"""Whether the form of a prompt suits the tokenizer of the model that is asked.

Pure, and a matter of warnings: what is asked stays what the recipe says. Where a tokenizer lies, and what its files
tell, is found by others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARK = re.compile(r"<[|｜][^<>|｜]{1,40}[|｜]>")
"""What marks turns in a raw prompt, such as `<|im_start|>` or `<｜User｜>`."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a tokenizer's files tell: whether it has a chat template, and its tokens beside the vocabulary."""

    has_template: bool
    tokens: frozenset[str]


def misfits(prompt: str, chat: bool, tokenizer: Traits | None) -> Iterator[str]:
    """What does not fit, each with the remedy. `prompt` is the raw prompt, or the user's turn of a `chat`.

    Of a tokenizer that is not at hand (None) nothing is known but that a template writes the marks of turns itself.
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
            f"the style writes the marks of turns itself ({marks}), and the chat template would put them into a user's "
            "turn: leave the style out, or ask with raw prompts (--set model.chat=false)"
        )
    if tokenizer is not None and not tokenizer.has_template:
        yield "it is asked as a chat, and its tokenizer has no chat template: --set model.chat=false asks it without"


def _raw(marked: bool, unknown: str, tokenizer: Traits) -> Iterator[str]:
    if unknown:
        yield (
            f"the style has {unknown}, which its tokenizer does not know as tokens but reads as plain text: the style "
            "is that of another family of models; leave it out and set model.chat=true, or name the model's own"
        )
    elif tokenizer.has_template and not marked:
        yield (
            "it is asked with raw prompts without the marks of turns, and its tokenizer has a chat template: if it was "
            "trained on chats, ask it as one (--set model.chat=true), or in a style of its family"
        )
