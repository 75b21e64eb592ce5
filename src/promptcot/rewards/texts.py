"""Extracts the text of replies and golds in the forms that trainers pass.

The reply of a conversation is the content of the assistant's last message. Other roles and separate reasoning are
ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from promptcot.core.parsing.traces import CLOSE, OPEN

_DEEPEST = 8  # content within messages within lists; deeper is no reply
_ASSISTANT = ("assistant", "model", "ai")
_SAID = (None, "message", "ai", "text", "output_text")
"""The types of parts that are the assistant's text. Thinking, refusals, tool calls and their results have other
types."""
_BINARY = (bytes, bytearray, memoryview)
_NOTHING = ("nan", "NaN", "<NA>")  # what pandas writes for a value that is missing


def text_of(reply: object, depth: int = 0) -> str:
    """The text of a reply: a text, bytes, a message, messages, or parts of content, as mappings or objects.

    None and any other value have no text.
    """
    if isinstance(reply, str):
        return reply
    reply = _plain(reply)
    if isinstance(reply, str):
        return reply
    if reply is None or depth > _DEEPEST:
        return ""
    if isinstance(reply, list):
        return _of_several(reply, depth)
    return _content(reply, depth) if _is_said(reply) else ""


def _of_several(parts: list[Any], depth: int) -> str:
    """The text of the assistant's last message, or of all parts of one message."""
    messages = [part for part in parts if _is_message(part)]
    if not messages:
        return "".join([text_of(part, depth + 1) for part in parts])
    last = next(filter(_is_said, reversed(messages)), None)
    return "" if last is None else _content(last, depth + 1)


def _content(of: object, depth: int) -> str:
    content = _field(of, "content")
    return text_of(_field(of, "text") if content is None else content, depth + 1)


def _is_said(part: object) -> bool:
    """Whether it is the assistant's text; without a role, the type decides."""
    role = _field(part, "role")
    by_assistant = role is None or (isinstance(role, str) and role.lower() in _ASSISTANT)
    return by_assistant and _field(part, "type") in _SAID


def _is_message(part: object) -> bool:
    """Whether it has a role, or content and a type of text: the result of a tool, which is a part, also has content."""
    return _field(part, "role") is not None or (_field(part, "content") is not None and _field(part, "type") in _SAID)


def _field(of: object, name: str) -> Any:
    if isinstance(of, dict) or isinstance(of, Mapping):  # noqa: SIM101  (the first of them is quicker to tell)
        return of.get(name)
    return None if isinstance(of, (str, bytes)) else getattr(of, name, None)


def gold_of(answer: object) -> str | None:
    """The gold as text; None for a value that cannot be one: nothing, nan, and anything that is neither a text nor a
    number.

    A list of one is its element, as Parquet readers return it.
    """
    answer = _plain(answer)
    if isinstance(answer, list) and len(answer) == 1:
        return gold_of(answer[0])
    if isinstance(answer, str):
        return str(answer) if _is_visible(answer) and answer.strip() not in _NOTHING else None
    return _written(answer)


def _is_visible(text: str) -> bool:
    """Whether a text has more than white space, control characters and zero-width characters."""
    return text.isalnum() or any(letter.isprintable() and not letter.isspace() for letter in text)


def _written(number: object) -> str | None:
    if not isinstance(number, int | float | Decimal | Fraction):
        return None
    try:
        return str(number) if isinstance(number, Fraction) or math.isfinite(number) else None
    except (OverflowError, ValueError):  # a whole number of hundreds of digits, or of more than Python writes out
        return str(number) if isinstance(number, int) and number.bit_length() < 10_000 else None


def _plain(value: object) -> object:
    """Text for bytes, lists for tuples and for arrays of NumPy, numbers for its scalars."""
    if isinstance(value, _BINARY):
        return bytes(value).decode("utf-8", errors="replace")
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


def continued(prompt: object, reply: object) -> object:
    """A reply, with the opening tag of its thinking if its prompt, a single text, ends with that."""
    if not (isinstance(prompt, str) and prompt.rstrip().endswith(OPEN)):
        return reply
    return opened(text_of(reply))


def opened(text: str) -> str:
    """A reply to a prompt that opened the thinking: without an end tag, all of it is thinking."""
    return text if CLOSE in text or OPEN in text else f"{OPEN}\n{text}"
