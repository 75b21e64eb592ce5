"""One message of a reply, or the part of one in an event: which of it is text, which is thinking, which is a refusal.

Every server has another field for the thinking, and some put it among the parts of the content. Decides whose words are
what; how thinking and text come together is decided in `reasoning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Where a message has its thinking, apart from the content. The first that holds some counts: the others repeat it.
_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks")
_APART = frozenset(_REASONING)  # most messages have none of them, and a stream has thousands
_WORDS = ("text", "thinking", "reasoning", "reasoning_content", "summary", "content")
_THOUGHTS = {"thinking", "reasoning", "reasoning_content", "thought", "reasoning.text", "reasoning.summary"}
_DEEPEST = 8


@dataclass(slots=True)
class Said:
    """What a message, or a part of it, says."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""


def read_message(message: Mapping[str, Any]) -> Said:
    """The words of a message. Raises TypeError for content that is neither a text nor a list of parts."""
    content = message.get("content")
    said = Said(content) if isinstance(content, str) else _of_parts(content)
    if not _APART.isdisjoint(message):
        apart = next((words for name in _REASONING if (words := _words(message.get(name)))), "")
        said.reasoning = apart or said.reasoning
    if refusal := message.get("refusal"):
        said.refusal += _words(refusal)
    return said


def _of_parts(content: Any) -> Said:
    said = Said()
    if content is None:
        return said
    if not isinstance(content, list):
        raise TypeError(f"{type(content).__name__} is no text")
    for part in content:
        _add_part(said, part)
    return said


def _add_part(said: Said, part: Any) -> None:
    if isinstance(part, str):
        said.text += part
    elif not isinstance(part, Mapping):
        raise TypeError(f"{type(part).__name__} is no part of a text")
    elif part.get("type") in _THOUGHTS or part.get("thought") is True:
        said.reasoning += _words(part)
    elif part.get("refusal"):
        said.refusal += _words(part["refusal"])
    else:
        said.text += _text(part.get("text"))


def _text(found: Any) -> str:
    """The text of a part, which may be in parts itself. Raises TypeError."""
    if found is None or isinstance(found, str):
        return found or ""
    if isinstance(found, (list, Mapping)):
        return _words(found)
    raise TypeError(f"{type(found).__name__} is no text")


def _words(found: Any, depth: int = 0) -> str:
    """All words in a text, a list of parts or an object with a text; nothing for anything else. Raises TypeError."""
    if isinstance(found, str):
        return found
    if depth > _DEEPEST:
        raise TypeError("its parts are nested too deeply")
    if isinstance(found, list):
        return "".join(_words(part, depth + 1) for part in found)
    if isinstance(found, Mapping):
        return next((words for name in _WORDS if (words := _words(found.get(name), depth + 1))), "")
    return ""
