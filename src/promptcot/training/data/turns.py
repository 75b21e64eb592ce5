"""Extracts the text that a model should learn from the turns of a chat, or the reason why there is none.

Decides how an answer with separate reasoning is read (`reasoning_content`, `reasoning`, `thinking`, or parts of that
kind), and the reason for dropping rows that hold more than text: tool calls, images. `chat` renders turns as a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptcot.core.layouts import turns
from promptcot.core.parsing.traces import with_thought
from promptcot.training.data.chat import Turn

_REASONING = ("reasoning_content", "reasoning", "thinking")
_CALLS = ("tool_calls", "function_call")
_TOOLS = ("tool", "function", "ipython", "tool_call", "tool_response", "function_call", "observation")
"""Roles used only with tools."""


class Unusable(Exception):
    """The row is unusable; the message is the reason."""


def turns_of(value: object, role: str = "", missing: str = "messages") -> list[Turn]:
    """The messages of a list, or a text as one turn of `role`. Raises Unusable."""
    if value is None:
        raise Unusable(f"no {missing}")
    if isinstance(value, str) and role:
        return [{"role": role, "content": text(value, missing)}]
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise Unusable("not text")
    return [_turn(turn) for turn in turns(value)]


def divided(turns: list[Turn], thoughts: bool = False) -> tuple[list[Turn], str]:
    """The turns before the last answer, and that answer with its reasoning. Raises Unusable.

    With `thoughts`, earlier answers keep their reasoning too.
    """
    answers = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
    if not answers:
        raise Unusable("no completion")
    asked, answer = turns[: answers[-1]], turns[answers[-1]]
    if not any(turn["content"].strip() for turn in asked):
        raise Unusable("no prompt")
    bare = [{"role": turn["role"], "content": _with_reasoning(turn) if thoughts else turn["content"]} for turn in asked]
    return bare, with_thought(answer.get(_REASONING[0], ""), text(answer["content"], "completion"))


def _with_reasoning(turn: Turn) -> str:
    return with_thought(turn.get(_REASONING[0], ""), turn["content"])


def thinking_beside(row: Mapping[str, Any]) -> str:
    """The reasoning in a separate field of a row, if any; a single word is a switch, such as "on", not reasoning."""
    found = next((value for name in _REASONING[:2] if isinstance(value := row.get(name), str) and value.strip()), "")
    return found if len(found.split()) > 1 else ""


def text(found: str, what: str) -> str:
    """The text itself, if it can be encoded in UTF-8. Raises Unusable."""
    if not found.strip():
        raise Unusable(f"empty {what}")
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise Unusable("not text") from error
    return found


def _turn(turn: Mapping[str, Any]) -> Turn:
    """Role and text of a message, and its reasoning if it has any. Raises Unusable."""
    role = str(turn.get("role"))
    if role in _TOOLS or any(turn.get(name) for name in _CALLS):
        raise Unusable("calls of tools")
    content, thinking = _content(turn.get("content"))
    thinking = next(
        (value for name in _REASONING if isinstance(value := turn.get(name), str) and value.strip()), thinking
    )
    return {"role": role, "content": content, **({_REASONING[0]: thinking} if thinking else {})}


def _content(content: object) -> tuple[str, str]:
    """The text of a message, and the reasoning inside it. Raises Unusable, naming a part of another kind."""
    if isinstance(content, str):
        return content, ""
    if not (isinstance(content, list) and content):
        raise Unusable("not text")
    said, thought = "", ""
    for part in content:
        kind, words = _part(part)
        if kind in ("thinking", "reasoning"):
            thought += words
        elif kind in ("text", "output_text", "input_text"):
            said += words
        else:
            raise Unusable(f"a part that is no text: {kind}")
    return said, thought


def _part(part: object) -> tuple[str, str]:
    """The kind of a part, and its text. Raises Unusable for a part without text."""
    if isinstance(part, str):
        return "text", part
    kind = str(part.get("type", "text")) if isinstance(part, dict) else type(part).__name__
    words = part.get("text", part.get(kind)) if isinstance(part, dict) else None
    if isinstance(words, list):  # the parts of a part
        words = "".join(inner for _, inner in map(_part, words))
    if not isinstance(words, str):
        raise Unusable(f"a part that is no text: {kind}")
    return kind, words
