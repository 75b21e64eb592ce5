"""Brackets in LaTeX: where one closes, and which text is outside all of them.

Kinds of brackets may be mixed, as in the interval [0, 9); only curly ones must match curly ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

_TOKEN = re.compile(r"\\(?:begin|end)\{[a-z]+\*?\}|\\[a-zA-Z]+|\\.|[()\[\]{}]", re.DOTALL)
_OPENING, _CLOSING = {"(", "[", "{", r"\{"}, {")", "]", "}", r"\}"}


def _steps(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Every token that opens or closes a group, with its change of the depth."""
    for token in _TOKEN.finditer(text):
        if token[0] in _OPENING or token[0].startswith(r"\begin{"):
            yield token, 1
        elif token[0] in _CLOSING or token[0].startswith(r"\end{"):
            yield token, -1


def closing(text: str, start: int) -> int | None:
    """Where the group that opens at `start` ends (just after its closing bracket); None if it never does."""
    depth = 0
    for token, change in _steps(text[start:]):
        depth += change
        if depth <= 0:
            return start + token.end()
    return None


def deepest(text: str) -> int:
    """The largest nesting depth."""
    return max(accumulate(change for _, change in _steps(text)), default=0)


def outside(text: str) -> Iterator[tuple[int, int]]:
    """The parts of `text` at depth 0, as (start, end); none if the brackets do not balance."""
    parts, depth, since = [], 0, 0
    for token, change in _steps(text):
        if depth == 0:
            parts.append((since, token.start()))
        depth += change
        if depth < 0:
            return
        if depth == 0:
            since = token.end()
    if depth == 0:
        parts.append((since, len(text)))
        yield from parts


def split(text: str, separator: re.Pattern[str]) -> list[str]:
    """`text` cut at every match of `separator` outside of all brackets."""
    pieces, last = [], 0
    for start, end in outside(text):
        for cut in separator.finditer(text, start, end):
            pieces.append(text[last : cut.start()])
            last = cut.end()
    return [*pieces, text[last:]]
