"""A row as what a trainer is given, or the reason why it is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptcot.records import Message


@dataclass(frozen=True, slots=True)
class Example:
    """What a solver is asked, and what there is to learn from it.

    `prompt` is the text of the user's turn, `messages` the same as a chat, with a system message first where the row
    has one. `answer` is the gold, `completion` a whole trace, `chosen` and `rejected` are two of them. `extra` has what
    else the row says, with the same keys in all examples of one export (None where a row lacks it).
    """

    id: str
    prompt: str
    messages: Sequence[Message]
    problem: str | None = None
    answer: str | None = None
    completion: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
