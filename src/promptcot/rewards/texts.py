"""Replies and golds as trainers hand them over, as text.

Decides which part of a conversation is the reply: what its last message by the assistant says. Other roles never
count, nor does reasoning that came apart from the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from promptcot.core.parsing.traces import CLOSE, OPEN

_DEEPEST = 8  # content within messages within lists; deeper is no reply
_NO_ANSWER = ("reasoning", "thinking", "redacted_thinking", "refusal")
_ASSISTANT = ("assistant", "model", "ai")


def text_of(reply: object, depth: int = 0) -> str:
    """The text of a reply: a text, bytes, a message, messages, or parts of content, as mappings or objects.

    None and whatever is none of these have no text.
    """
    if isinstance(reply, (bytes, bytearray, memoryview)):
        return bytes(reply).decode("utf-8", errors="replace")
    reply = _plain(reply)
    if isinstance(reply, str):
        return reply
    if reply is None or depth > _DEEPEST:
        return ""
    if isinstance(reply, list):
        return _of_several(reply, depth)
    if _field(reply, "type") in _NO_ANSWER:
        return ""
    content = _field(reply, "content")
    return text_of(_field(reply, "text") if content is None else content, depth + 1)


def _of_several(parts: list[Any], depth: int) -> str:
    if not any(_is_message(part) for part in parts):
        return "".join(text_of(part, depth + 1) for part in parts)
    spoken = [part for part in parts if _is_spoken(part)]
    return text_of(spoken[-1], depth + 1) if spoken else ""


def _is_spoken(part: object) -> bool:
    """Whether the assistant says it; where no role is named, unless it is of another kind, as a tool's result."""
    role, kind = _field(part, "role"), _field(part, "type")
    return role in _ASSISTANT if role is not None else _is_message(part) and kind in (None, "message")


def _is_message(part: object) -> bool:
    return _field(part, "role") is not None or _field(part, "content") is not None


def _field(of: object, name: str) -> Any:
    if isinstance(of, (dict, Mapping)):  # the first of them is quicker to tell
        return of.get(name)
    return None if isinstance(of, (str, bytes)) else getattr(of, name, None)


def gold_of(answer: object) -> str | None:
    """The gold as text; None for what can be none: nothing, nan, and what is neither a text nor a number.

    A list of one is that one, as Parquet readers give it.
    """
    answer = _plain(answer)
    if isinstance(answer, list) and len(answer) == 1:
        return gold_of(answer[0])
    if isinstance(answer, (bytes, bytearray)):
        answer = bytes(answer).decode("utf-8", errors="replace")
    return str(answer) if isinstance(answer, str) and answer.strip() else _written(answer)


def _written(number: object) -> str | None:
    if not isinstance(number, int | float | Decimal | Fraction):
        return None
    try:
        return str(number) if isinstance(number, Fraction) or math.isfinite(number) else None
    except (OverflowError, ValueError):  # a whole number of hundreds of digits, or of more than Python writes out
        return str(number) if isinstance(number, int) and number.bit_length() < 10_000 else None


def _plain(value: object) -> object:
    """Lists for tuples and for arrays of NumPy, numbers for its scalars."""
    if isinstance(value, tuple):
        return list(value)
    return value.tolist() if hasattr(value, "tolist") else value


def continued(prompt: object, reply: object) -> object:
    """A reply together with the thinking that its prompt, where it is one text, ends by opening."""
    if not (isinstance(prompt, str) and prompt.rstrip().endswith(OPEN)):
        return reply
    return opened(text_of(reply))


def opened(text: str) -> str:
    """A reply to a prompt that opened the thinking: without an end of it, all is thinking."""
    return text if CLOSE in text or OPEN in text else f"{OPEN}\n{text}"
