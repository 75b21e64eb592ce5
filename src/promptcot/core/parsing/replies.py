"""Extracts the model's own answer from a reply, without its thinking and its quotations.

A judge may repeat the material that it rates, and the material may try to speak as the judge. Therefore lines that
start with `>`, fenced code, comments, and quotations in HTML and LaTeX are removed, unless the whole reply is one
fence. If fences do not pair up, it is unknown which text is quoted, and the reply is unreadable. The caller parses
the rest.

Some servers leave the token that ends a model's turn in the text. It is removed from the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.lines import lines_of
from promptcot.records import LENGTH, Completion, FinishReason, finish_of, is_finished

_OPEN, _CLOSE = "<think>", "</think>"
_QUOTATION = re.compile(
    r"\s*(?:(?P<comment><!--)|<(?P<tag>blockquote|quote|q)\b|\\begin\s?\{(?P<environment>quote|quotation|displayquote)\*?\})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply split into its answer and the thinking before it.

    `opened` tells whether the reply itself opened the thinking. If it did not (some chat templates open it in the
    prompt), the closing tag may also be a quotation, so the text before it still matters.
    """

    text: str
    thinking: str = ""
    opened: bool = False


def stopped_early(finish_reason: FinishReason) -> str | None:
    """Why a reply is incomplete: `cut off`, or `stopped: WORD`; None for a finished one."""
    if is_finished(finish_reason):
        return None
    word = finish_of(finish_reason)
    return "cut off" if word == LENGTH else f"stopped: {word}"


def ended(reply: Completion) -> Completion:
    """A finished reply with the end tokens moved from its text to `end_tokens`; other replies unchanged."""
    text = without_end_tokens(reply.text) if reply.finished else reply.text
    if text == reply.text:
        return reply
    return replace(reply, text=text, end_tokens=reply.text[len(text) :].strip())


def split_thinking(reply: str) -> Answer | None:
    """The reply without its thinking and the tokens that end the turn.

    None if the thinking does not end, or if its end is in doubt.
    """
    reply = without_end_tokens(reply)
    if _OPEN not in reply and _CLOSE not in reply:
        return Answer(reply)
    before, _, after = reply.partition(_CLOSE)
    opened = before.lstrip().startswith(_OPEN)
    if reply.count(_CLOSE) != 1 or reply.count(_OPEN) != opened:
        return None
    return Answer(after, before, opened)


def fence_at_end(text: str) -> list[str]:
    """The lines in the fence at the end of a text, if it is the only one and follows other text; else empty."""
    lines = [line for line in lines_of(text) if line.strip()]
    fences = _fences(lines)
    if len(fences) != 2 or fences[0] == 0 or fences[1] != len(lines) - 1:
        return []
    return _unquoted(lines[fences[0] + 1 : -1])


def own_lines(text: str) -> list[str] | None:
    """The lines that are not quoted; None if a fence does not close."""
    lines = [line for line in lines_of(text) if line.strip()]
    fences = _fences(lines)
    if len(fences) % 2:
        return None
    if len(fences) == 2 and (fences[0], fences[1]) == (0, len(lines) - 1):
        return _unquoted(lines[1:-1])
    fenced = {i for start, end in zip(fences[::2], fences[1::2], strict=True) for i in range(start, end + 1)}
    return _unquoted([line for i, line in enumerate(lines) if i not in fenced])


def _fences(lines: Sequence[str]) -> list[int]:
    return [i for i, line in enumerate(lines) if line.lstrip().startswith(("```", "~~~"))]


def _unquoted(lines: Sequence[str]) -> list[str]:
    """The lines outside quotations; an unclosed quotation extends to the end."""
    unquoted: list[str] = []
    close = ""
    for line in lines:
        opening = None if close else _QUOTATION.match(line)
        close = _close(opening) if opening else close
        if close:
            close = "" if close in line.lower() else close
        elif not line.lstrip().startswith(">"):
            unquoted.append(line)
    return unquoted


def _close(opening: re.Match[str]) -> str:
    """The text that closes a quotation."""
    if opening["comment"]:
        return "-->"
    return f"</{opening['tag'].lower()}" if opening["tag"] else f"\\end{{{opening['environment'].lower()}"
