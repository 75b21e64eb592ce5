"""Splits one message of a reply, or one event's part of it, into text, thinking and refusal.

Servers use different fields for thinking, and some put it among the parts of the content. `reasoning` decides how
thinking and text are joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The fields of a message for thinking outside the content. The first non-empty one counts: the others repeat it.
_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks")
_APART = frozenset({*_REASONING, "refusal"})  # most messages have none of them, and a stream has thousands
_WORDS = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content")
_THOUGHTS = {"thinking", "reasoning", "reasoning_content", "thought", "reasoning.text", "reasoning.summary"}
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Said:
    """The content of a message, or of a part of it."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""


def read_message(message: Mapping[str, Any]) -> Said:
    """The content of a message. Raises TypeError for content that is neither a text nor a list of parts."""
    content = message.get("content")
    said = Said(content) if isinstance(content, str) else _of_parts(content)
    if _APART.isdisjoint(message):
        return said
    apart = next((words for name in _REASONING if (words := _words(message.get(name)))), "")
    return Said(said.text, apart or said.reasoning, said.refusal + _words(message.get("refusal")))


def _of_parts(content: Any) -> Said:
    """The text of a content in parts, by the kind of each part."""
    if content is None:
        return Said()
    if not isinstance(content, list):
        raise TypeError(f"{type(content).__name__} is not a text")
    words: dict[str, list[str]] = {"text": [], "reasoning": [], "refusal": []}
    for part in content:
        kind, said = _part(part)
        words[kind].append(said)
    return Said(**{kind: "".join(pieces) for kind, pieces in words.items()})


def _part(part: Any) -> tuple[str, str]:
    """The kind of a part, and its text. Raises TypeError."""
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, Mapping):
        raise TypeError(f"{type(part).__name__} is not a part of a text")
    if part.get("type") in _THOUGHTS or part.get("thought") is True:
        return "reasoning", _words(part)
    if part.get("refusal"):
        return "refusal", _words(part["refusal"])
    text = part.get("text")
    if text is None or isinstance(text, (str, list, Mapping)):
        return "text", _words(text)
    raise TypeError(f"{type(text).__name__} is not a text")


def _words(found: Any, depth: int = 0) -> str:
    """All text in a string, a list of parts or an object with a text; nothing for anything else. Raises TypeError."""
    if isinstance(found, str):
        return found
    if depth > _DEEPEST:
        raise TypeError("its parts are nested too deeply")
    if isinstance(found, list):
        return "".join(_words(part, depth + 1) for part in found)
    if isinstance(found, Mapping):
        return next((words for name in _WORDS if (words := _words(found.get(name), depth + 1))), "")
    return ""
