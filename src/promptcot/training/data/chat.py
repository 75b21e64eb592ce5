"""Applies a tokenizer's chat template to a row: the text before the answer, and the end of the answer.

The answer itself is not rendered by the template, because templates change it: many strip the reasoning or the white
space of an assistant's turn. Only the turns before it are rendered, with the opening of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import TemplateError

from promptcot.errors import InputError

Turn = dict[str, str]
"""`role` and `content`."""

_MARK = "(the answer)"
_THINK = "<think>"


def has_template(tokenizer: Any) -> bool:
    """Whether chats can be rendered; a stand-in for a tokenizer that is not loaded provides `has_template`."""
    return bool(getattr(tokenizer, "has_template", tokenizer.chat_template))


def render(tokenizer: Any, turns: list[Turn]) -> str:
    """The prompt as inference sees it: all turns, and the opening of the answer.

    Raises InputError for a tokenizer without a template, and TemplateError if the template rejects these turns.
    """
    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except ValueError:  # raised by a tokenizer without a template
        _need_template(tokenizer)
        raise
    return text


def end_of_turn(tokenizer: Any) -> str:
    """The text that the template puts after an answer, such as `<|im_end|>`, without trailing white space. Raises
    InputError.

    Found by rendering a made-up answer, since no tokenizer states it.
    """
    _need_template(tokenizer)
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARK}]
    try:
        rendered: str = tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError as error:
        raise InputError(f"the chat template refuses a question and its answer: {error}") from error
    _, found, rest = rendered.rpartition(_MARK)
    if not found:
        raise InputError("the chat template leaves out the assistant's answer; set model.chat_template to another")
    return rest.rstrip()


def continued(prompt: str, answer: str) -> str:
    """The answer as it continues the prompt: if both open `<think>`, the answer's own is removed."""
    bare = answer.lstrip()
    if not prompt.rstrip().endswith(_THINK) or not bare.startswith(_THINK):
        return answer
    opened = prompt[prompt.rindex(_THINK) :]
    return bare.removeprefix(opened if bare.startswith(opened) else _THINK)


class Rewritten(Exception):
    """The rendered turns do not contain an answer unchanged."""


def answers_in(tokenizer: Any, turns: Sequence[Turn], opened: str) -> Iterator[str]:
    """The pieces of `opened`, which `render` returned for these turns: alternately without and with a loss.

    The pieces with a loss are the assistant's answers, each with its end of turn. The turns before each answer are
    rendered separately, as inference sees them. Raises Rewritten if `opened` does not begin with them and the unchanged
    answer.
    """
    done = 0
    first = next((place for place, turn in enumerate(turns) if turn["role"] == "user"), len(turns))
    for place in range(first + 1, len(turns)):
        if turns[place]["role"] != "assistant":
            continue
        asked = render(tokenizer, list(turns[:place]))
        said = continued(asked, turns[place]["content"])
        learnt = _learnt(opened[len(asked) :], said, end_of_turn(tokenizer))
        if learnt is None or not opened.startswith(asked):
            raise Rewritten
        yield opened[done : len(asked)]
        yield learnt
        done = len(asked) + len(learnt)
    yield opened[done:]


def _learnt(rest: str, answer: str, end: str) -> str | None:
    """The answer with the end of its turn, as the rest begins; many templates trim an answer. None if it does not."""
    return next((both for said in (answer, answer.strip()) if rest.startswith(both := said + end)), None)


def _need_template(tokenizer: Any) -> None:
    if not tokenizer.chat_template:
        raise InputError(
            "these rows are chats, and the tokenizer has no chat template: name a file with one as "
            "model.chat_template, or give prompt and completion as texts with data.chat = false"
        )
