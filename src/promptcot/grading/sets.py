r"""Evaluates set operations in answers: [0, 2] \cap (1, 3) is (1, 2], and \{1, 2\} \cap \{2, 3\} is \{2\}.

Decides which texts describe a set of numbers by intervals, members and operations. The result is LaTeX again, and is
compared like any other answer. SymPy does the computing; call it only in worker processes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy

from promptcot.core.answers.brackets import closing, split
from promptcot.core.answers.normalise import normalise

Reader = Callable[[str], Any]
"""Returns the SymPy object of an expression, or None."""

_OPERATION = re.compile(r"\\(?:cup|cap|setminus|backslash|bigcup|bigcap)(?![a-z])")
_SPLITS: list[tuple[re.Pattern[str], Callable[..., Any]]] = [
    (re.compile(r"\\cup(?![a-z])"), sympy.Union),
    (re.compile(r"\\(?:setminus|backslash)(?![a-z])"), lambda first, *others: first - sympy.Union(*others)),
    (re.compile(r"\\cap(?![a-z])"), sympy.Intersection),
]
_NAMED = {
    r"\mathbb{R}": sympy.Reals,
    r"\mathbb{Z}": sympy.Integers,
    r"\mathbb{N}": sympy.Naturals,
    r"\emptyset": sympy.EmptySet,
}
_MEMBER = re.compile(r"^\s*\\?[a-zA-Z]\w*\s*\\in(?![a-z])")
_COMMA = re.compile(r"[,;]")


def computed(text: str, read: Reader) -> str:
    """The result of the operations in a text that describes a set; any other text unchanged."""
    spelled = normalise(text) if len(text) <= 1000 else ""
    if not _OPERATION.search(spelled):
        return text
    result = _set(_MEMBER.sub("", spelled).strip(), read, 0)
    if result is None or not isinstance(result, sympy.Interval | sympy.FiniteSet | sympy.Union | sympy.Complement):
        return r"\emptyset" if result is sympy.EmptySet else text
    return str(sympy.latex(result)).replace(r"\left", "").replace(r"\right", "")


@lru_cache(maxsize=512)
def _set(text: str, read: Reader, depth: int) -> Any | None:
    text = text.strip()
    if depth > 8:
        return None
    for operation, combined in _SPLITS:
        pieces = split(text, operation)
        if len(pieces) > 1:
            parts = [_set(piece, read, depth + 1) for piece in pieces]
            return None if None in parts else combined(*parts)
    if named := _NAMED.get(text):
        return named
    return _listed(text, read) or _interval(text, read) or _in_parentheses(text, read, depth)


def _listed(text: str, read: Reader) -> Any | None:
    if not (text.startswith(r"\{") and text.endswith(r"\}") and closing(text, 0) == len(text)):
        return None
    members = [read(member.strip()) for member in split(text[2:-2], _COMMA)]
    return None if None in members else sympy.FiniteSet(*members)


def _interval(text: str, read: Reader) -> Any | None:
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]") or closing(text, 0) != len(text):
        return None
    ends = [read(end.strip()) for end in split(text[1:-1], _COMMA)]
    if len(ends) != 2 or not all(isinstance(end, sympy.Expr) and end.is_extended_real for end in ends):
        return None
    return sympy.Interval(*ends, text[0] == "(", text[-1] == ")")


def _in_parentheses(text: str, read: Reader, depth: int) -> Any | None:
    inside = text[:1] == "(" and closing(text, 0) == len(text)
    return _set(text[1:-1], read, depth + 1) if inside else None
