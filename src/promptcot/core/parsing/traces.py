"""The form of a reasoning trace: where its thinking ends, if it ends.

Decides what a malformed trace is. `core.answers` finds its answer and `grading` grades it.
"""

from __future__ import annotations

from typing import Final, Literal

OPEN, CLOSE = "<think>", "</think>"

NOT_CLOSED: Final = "thinking not closed"

Malformed = Literal["thinking not closed", "thinking closed twice", "thinking opened again"]


def malformed(prompt: str, completion: str) -> Malformed | None:
    """What is wrong with the form of a trace; None for a well-formed one, and for one without thinking.

    If the prompt ends by opening the thinking, the completion starts within it.
    """
    opened_by_prompt = prompt.rstrip().endswith(OPEN)
    text = completion.lstrip()
    starts = text.startswith(OPEN)
    if text.count(CLOSE) > 1:
        return "thinking closed twice"
    if text.count(OPEN) > starts:
        return "thinking opened again"
    if (opened_by_prompt or starts) and CLOSE not in text:
        return NOT_CLOSED
    return None


def after_thought(completion: str) -> str | None:
    """The text after the thinking, if there is any; None if the thinking is never closed."""
    text = completion.rpartition(CLOSE)[2]
    return None if OPEN in text else text


def opened(completion: str) -> str:
    """The trace with its own opening tag, if the prompt opened the thinking."""
    return f"{OPEN}\n{completion.lstrip()}" if CLOSE in completion and OPEN not in completion else completion


def with_thought(thinking: str, answer: str) -> str:
    """Joins thinking and answer that were stored separately; an answer that contains thinking is already a trace."""
    if not thinking.strip() or answer.lstrip().startswith(OPEN) or CLOSE in answer:
        return answer
    return f"{OPEN}\n{thinking.strip()}\n{CLOSE}\n\n" + answer.lstrip("\n")
