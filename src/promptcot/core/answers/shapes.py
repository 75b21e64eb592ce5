r"""The data types of parsed answers: expressions, groups of several parts, matrices, named values, and choices.

`parts` makes them from text, and `exact` compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

IN_ORDER = "in order"
"""The brackets of a list that is described as ordered."""


@dataclass(frozen=True)
class Leaf:
    """An expression, a word, or a relation that is not just a name with its value."""

    text: str


@dataclass(frozen=True)
class Group:
    """Several parts: an ordered `tuple` (also an interval) with its brackets, an unordered `list`, or a `union`.

    `names` are those of a tuple that was written as x = 1, y = 2. The other kinds are ordered: `residue`, a value and
    its modulus, `case`, a value and its condition, and `where`, a statement and the conditions on its letters.
    """

    text: str
    kind: Literal["tuple", "list", "union", "residue", "case", "where"]
    items: tuple[Part, ...]
    brackets: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    text: str
    rows: tuple[tuple[Part, ...], ...]


@dataclass(frozen=True)
class Named:
    """A value and its name: x = 5, f(x) = 2x, x \\in [0, 1]; `argument` is the x of f(x)."""

    text: str
    name: str
    value: Part
    argument: str = ""


@dataclass(frozen=True)
class Choice:
    """A choice's letter with the value after it: \\textbf{(C)}\\ 12."""

    text: str
    letter: str
    value: Part


Part = Leaf | Group | Matrix | Named | Choice


class Reader(Protocol):
    """Parses a normalised text into a part; `depth` is its nesting depth in the answer."""

    def __call__(self, text: str, depth: int) -> Part: ...


def same_text(part: Part, text: str) -> bool:
    """Whether a part's text equals this one, ignoring blanks."""
    return "".join(part.text.split()) == text
