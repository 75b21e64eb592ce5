r"""How an answer is put together: tuples, lists, intervals, unions, matrices, named values, and what is left.

Decides what is ordered, (1, 2), what is not, \{1, 2\} or "1 and 2", what "x = 5" names, and which inequalities are
intervals. Does not look inside expressions and compares nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal

from promptcot.core.answers.brackets import closing, split
from promptcot.core.answers.normalise import compact, normalise
from promptcot.core.answers.numbers import number

_DEEPEST = 12
_LONGEST = 4000


@dataclass(frozen=True)
class Leaf:
    """An expression, a word, or a relation that is more than a name and a value."""

    text: str


@dataclass(frozen=True)
class Group:
    """Several parts: an ordered `tuple` (also an interval) with its brackets, an unordered `list`, or a `union`.

    `names` are those of a tuple that was written as x = 1, y = 2.
    """

    text: str
    kind: Literal["tuple", "list", "union"]
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
    """A value and what it is called: x = 5, f(x) = 2x, x \\in [0, 1]."""

    text: str
    name: str
    value: Part


@dataclass(frozen=True)
class Choice:
    """A choice's letter with the value that stands behind it: \\textbf{(C)}\\ 12."""

    text: str
    letter: str
    value: Part


Part = Leaf | Group | Matrix | Named | Choice

_CHOICE = re.compile(
    r"(?:\\text\s*\{\s*\(?(?P<marked>[A-Z])\s*[).:]+\s*\}\s*[.:)]?|\\text\s*\{\s*(?P<bare>[A-Z])\s*\}\s*[.:)]"
    r"|\(\s*(?:\\text\s*\{\s*)?(?P<bracketed>[A-Z])\s*\}?\s*\)(?=\s+[^\s(])|(?P<plain>[A-Z])(?:\)|[.:](?=\s)))\s*(?P<value>\S.*)",
    re.DOTALL,
)
_CHOSEN = re.compile(r"(?:\\text\s*\{\s*)?(?:option|choice|answer)\s*:?\s*(?:\\text\s*\{\s*)?\(?([A-Z])\)?[\s}.]*", re.IGNORECASE)

_COMMA = re.compile(r"\s*,(?:\s*,)*\s*(?:and\b|or\b)?\s*|(?<![A-Za-z\\])(?:and|or)(?![a-z])")
_SEMICOLON = re.compile(r";")
_EQUALS = re.compile(r"=|\\equiv(?![a-z])")
_APPROXIMATELY = re.compile(r"\\approx(?![a-z])")
_IN = re.compile(r"\\in(?![a-z])")
_CUP = re.compile(r"\\cup(?![a-z])")
_ORDER = re.compile(r"\\[lg]e(?![a-z])|[<>]")
_RELATION = re.compile(r"=|\\(?:[lgn]e|approx|equiv|in)(?![a-z])|[<>]")
_AMPERSAND, _ROW = re.compile(r"&"), re.compile(r"\\\\")

_FUNCTIONS = (
    "frac|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|infty|sum|prod|int|lim|binom|arc[a-z]+|text|pm|mp|cdot|times"
)
_ATOM = rf"(?:\\(?!(?:{_FUNCTIONS})(?![a-zA-Z]))[a-zA-Z]+|[A-Za-z])'*(?:_(?:\w|\{{[^{{}}]*\}}))?'*"
_SEGMENT = rf"(?:{_ATOM}(?:\([^()]*\))?|[A-Z]{{2,}}'?|[A-Z]_\{{[A-Z]+\}})"
_NAME = re.compile(
    rf"\s*(?:{_SEGMENT}|\|{_SEGMENT}\||{_SEGMENT}\s*:\s*{_SEGMENT}|\(\s*{_ATOM}(?:\s*,\s*{_ATOM})*\s*\)"
    rf"|\\frac\{{[A-Z]{{2}}\}}\{{[A-Z]{{2}}\}}|\\angle\s*[A-Z]+|\\text\{{[^{{}}]*\}}|[A-Za-z]{{3,}}(?: [a-z]+)*)\s*"
)
_ARGUMENT = re.compile(r"\((?:\\?[a-zA-Z]+)(?:,\\?[a-zA-Z]+)*\)$")
_SUBSCRIPT = re.compile(r"_(?:\{?(\w+)\}?)")


@lru_cache(maxsize=8192)
def parse(text: str) -> Part:
    """The parts of `text`, an answer as it was written. Never raises; what is too long or too deep stays whole."""
    if len(text) > 2 * _LONGEST:
        return Leaf(text.strip())
    normalised = normalise(text)
    return _part(normalised, 0)


def listing(text: str) -> Part:
    """`text` with its commas read as those of a list, also where they could separate thousands."""
    return _several(text, _pieces(text, _COMMA), 0)


def _part(text: str, depth: int) -> Part:
    text = text.strip()
    if depth > _DEEPEST or number(text) is not None:
        return Leaf(text)
    for reading in (_chosen, _assigned, _listed, _related, _united, _bracketed, _tabled, _both_signs):
        found = reading(text, depth)
        if found is not None:
            return found
    return Leaf(text)


def _chosen(text: str, depth: int) -> Part | None:
    """Option C as C, and (C) 12 as a choice with its value."""
    if depth == 0 and (option := _CHOSEN.fullmatch(text)):
        return Leaf(option[1].upper())
    found = _CHOICE.fullmatch(_INSIDE.sub(r"\1", text) if depth == 0 else "")
    if not found:
        return None
    letter = next(found[name] for name in ("marked", "bare", "bracketed", "plain") if found[name])
    return Choice(text, letter, _part(found["value"], depth + 1))


_INSIDE = re.compile(r"^\\text\s*\{(\s*\(?[A-Z]\s*[).:][^{}]*)\}$")


def _pieces(text: str, separator: re.Pattern[str]) -> list[str]:
    return [piece.strip() for piece in split(text, separator) if piece.strip()]


def _assigned(text: str, depth: int) -> Part | None:
    """x = 58,500, whose comma is not one of a list."""
    name, equals, value = text.partition("=")
    if equals and "," in value and number(value) is not None and (called := name_of(name)):
        return Named(text, called, Leaf(value.strip()))
    return None


def _listed(text: str, depth: int) -> Part | None:
    for separator in (_SEMICOLON, _COMMA):
        pieces = _pieces(text, separator)
        if len(pieces) > 1:
            return _several(text, pieces, depth)
    return None


def _several(text: str, pieces: Iterable[str], depth: int) -> Part:
    """A list; x = 1, y = 2 is a tuple with names, and the numbering of x_1 = 1, x_2 = 2 means nothing.

    What is only said several times, as when a box is repeated, is said once.
    """
    pieces = list({compact(piece): piece for piece in pieces}.values())
    if len(pieces) == 1:
        return _part(pieces[0], depth + 1)
    items = _flat(_part(piece, depth + 1) for piece in pieces)
    if union := _ranges(text, items):
        return union
    named = [item for item in items if isinstance(item, Named)]
    if len(named) == len(items) > 1:
        bases = [_SUBSCRIPT.sub("", item.name) for item in named]
        numbering = [found[1] if (found := _SUBSCRIPT.search(item.name)) else "" for item in named]
        if len({item.name for item in named}) == len(items) and len(set(bases)) > 1:
            names = tuple(item.name for item in named)
            return Group(text, "tuple", tuple(item.value for item in named), "named", names)
        if len(set(bases)) == 1 and numbering == [str(i + 1) for i in range(len(items))]:
            items = [replace(item, name=bases[0]) for item in named]
    return Group(text, "list", tuple(items))


_INTERVALS = ("()", "(]", "[)", "[]")


def _ranges(text: str, items: list[Part]) -> Part | None:
    """x < 0 or x > 2 as a union, x > 1 and x < 5 as an interval; None for anything but bounds of one variable."""
    values = [item.value for item in items if isinstance(item, Named)]
    ranges = [one for one in values if isinstance(one, Group) and one.kind == "tuple" and one.brackets in _INTERVALS]
    if len(values) < len(items) or not ranges or len({item.name for item in items if isinstance(item, Named)}) > 1:
        return None
    if not all(_RELATION.search(item.text) for item in items) or any("\\in" in item.text and not _ORDER.search(item.text) for item in items):
        return None
    if len(ranges) == len(items) == 2 and (both := _overlap(*ranges)) and re.search(r"\band\b", text):
        return both
    return Group(text, "union", tuple(values))


def _overlap(one: Group, other: Group) -> Group | None:
    """(a, b) of the ranges above a and below b, where these are numbers and a < b."""
    below, above = (one, other) if one.items[0].text == r"-\infty" else (other, one)
    if below.items[0].text != r"-\infty" or above.items[1].text != r"\infty":
        return None
    bounds = number(above.items[0].text), number(below.items[1].text)
    if any(bound is None or bound.value is None for bound in bounds) or bounds[0].value >= bounds[1].value:  # type: ignore[union-attr, operator]
        return None
    text = f"{above.text} \\cap {below.text}"
    return Group(text, "tuple", (above.items[0], below.items[1]), above.brackets[0] + below.brackets[1])


def _flat(items: Iterable[Part]) -> list[Part]:
    """Lists that come from a sign such as \\pm are part of the list around them."""
    flat: list[Part] = []
    for item in items:
        value = item.value if isinstance(item, Named) else item
        if isinstance(value, Group) and value.brackets == "\\pm":
            named = isinstance(item, Named)
            flat += [replace(item, value=one) if named and isinstance(item, Named) else one for one in value.items]
        else:
            flat.append(item)
    return flat


def name_of(text: str) -> str | None:
    """The name that `text` is, without the variables of a function; None if it says more than a name."""
    return _ARGUMENT.sub("", compact(text)) if _NAME.fullmatch(text) else None


def _related(text: str, depth: int) -> Part | None:
    """A named value, or a whole relation; None if `text` is neither."""
    if not _RELATION.search(text):
        return None
    member = split(text, _IN)
    if len(member) == 2:
        name = name_of(member[0])
        return Named(text, name, _part(member[1], depth + 1)) if name else Leaf(text)
    sides = split(text, _EQUALS)
    value, *rough = split(sides[-1], _APPROXIMATELY)
    if rough:
        if len(sides) == 1 and (name := name_of(value)):
            return Named(text, name, _part(rough[0], depth + 1))
        return _part("=".join([*sides[:-1], value]), depth + 1)
    if len(sides) > 1:
        return _equation(text, sides, depth)
    return _interval(text, depth)


def _equation(text: str, sides: list[str], depth: int) -> Part:
    if len(sides) == 2 and (named := _named_tuple(text, *sides, depth)):
        return named
    names = [name_of(side) for side in sides]
    if (names[-1] is None or "\\text" in sides[-1]) and any(names) and (len(sides) > 2 or names[0]):
        return Named(text, next(name for name in names if name), _part(sides[-1], depth + 1))
    if len(sides) > 2 and not _variable(sides[-1]):  # a chain: m + n = 256 + 37 = 293
        return Named(text, compact(sides[0]), _part(sides[-1], depth + 1))
    if not any(_variable(side) for side in sides):  # a computation: 2 + 3 = 5
        return _part(sides[-1], depth + 1)
    if len(sides) == 2 and names[1] and not names[0]:
        return Named(text, names[1], _part(sides[0], depth + 1))
    return Leaf(text)


_TUPLE_OF_NAMES = re.compile(rf"\s*\(\s*{_ATOM}(?:\s*,\s*{_ATOM})+\s*\)\s*")


def _named_tuple(text: str, names: str, values: str, depth: int) -> Part | None:
    """(a, b) = (1, 2) as a tuple with names."""
    if not _TUPLE_OF_NAMES.fullmatch(names):
        return None
    called = tuple(compact(name) for name in names.strip()[1:-1].split(","))
    found = _part(values, depth + 1)
    if not isinstance(found, Group):
        return None
    if found.brackets == "\\pm" and all(isinstance(one, Group) and len(one.items) == len(called) for one in found.items):
        return replace(found, text=text, items=tuple(replace(one, names=called) for one in found.items))
    named = found.kind == "tuple" and len(found.items) == len(called)
    return replace(found, text=text, names=called) if named else None


def _interval(text: str, depth: int) -> Part | None:
    """x > 5, 5 < x and 1 < x \\le 2 as intervals, where the bounds are numbers; other orders stay whole."""
    sides, signs = split(text, _ORDER), _ORDER.findall(text)
    if len(sides) not in (2, 3) or len(signs) != len(sides) - 1:
        return Leaf(text) if _ORDER.search(text) and len(sides) > 1 else None
    if all(sign in (">", r"\ge") for sign in signs):
        sides, signs = sides[::-1], [{">": "<", r"\ge": r"\le"}[sign] for sign in signs[::-1]]
    if not all(sign in ("<", r"\le") for sign in signs):
        return Leaf(text)
    if len(sides) == 2:
        if name_of(sides[0]):
            sides, signs = [r"-\infty", *sides], ["<", *signs]
        else:
            sides, signs = [*sides, r"\infty"], [*signs, "<"]
    name = name_of(sides[1])
    if name is None or _variable(sides[0]) or _variable(sides[2]):
        return Leaf(text)
    brackets = ("(" if signs[0] == "<" else "[") + (")" if signs[1] == "<" else "]")
    bounds = (_part(sides[0], depth + 1), _part(sides[2], depth + 1))
    return Named(text, name, Group(text, "tuple", bounds, brackets))


def _variable(text: str) -> bool:
    return re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", text)) is not None


def _united(text: str, depth: int) -> Part | None:
    pieces = _pieces(text, _CUP)
    return Group(text, "union", tuple(_part(piece, depth + 1) for piece in pieces)) if len(pieces) > 1 else None


def _bracketed(text: str, depth: int) -> Part | None:
    """(1, 2), [0, 1), \\{1, 2\\} and {1, 2}; (x) is x."""
    opening = text[:2] if text.startswith(r"\{") else text[:1]
    if opening not in (r"\{", "{", "(", "[") or closing(text, 0) != len(text):
        return None
    inside = text[len(opening) : -2 if text.endswith(r"\}") else -1]
    if opening in (r"\{", "{"):
        if re.search(r"\\mid|[|:]", inside):
            return Leaf(text)
        found = _part(inside, depth + 1)
        return replace(found, brackets="") if isinstance(found, Group) and found.kind == "list" else found
    pieces = _pieces(inside, _SEMICOLON)
    pieces = pieces if len(pieces) > 1 else _pieces(inside, re.compile(","))
    if len(pieces) == 1:
        return _part(inside, depth + 1)
    if 0 < sum(_SIGNS.search(piece) is not None for piece in pieces) <= _MOST_SIGNS:
        return _signed(text, opening, pieces, depth)
    return Group(text, "tuple", tuple(_part(piece, depth + 1) for piece in pieces), opening + text[-1])


_SIGNS, _MOST_SIGNS = re.compile(r"\\(?:pm|mp)(?![a-z])"), 4


def _signed(text: str, opening: str, pieces: list[str], depth: int) -> Part:
    """The tuples that one with \\pm stands for: signs are chosen together where there is a \\mp, and else each alone."""
    together = "\\mp" in text
    choices = [_with_sign(piece) for piece in pieces]
    rows = zip(*choices, strict=True) if together else product(*(dict.fromkeys(choice) for choice in choices))
    tuples = [Group(f"{opening}{','.join(row)}{text[-1]}", "tuple", tuple(_part(one, depth + 1) for one in row), opening + text[-1]) for row in rows]
    return Group(text, "list", tuple(tuples), "\\pm")


def _with_sign(text: str) -> tuple[str, str]:
    """A text with the upper of its signs and with the lower ones."""
    upper = re.sub(r"\\mp(?![a-z])", "-", re.sub(r"\\pm(?![a-z])", "+", text))
    return upper, re.sub(r"\\mp(?![a-z])", "+", re.sub(r"\\pm(?![a-z])", "-", text))


def _tabled(text: str, depth: int) -> Part | None:
    start, end = r"\begin{pmatrix}", r"\end{pmatrix}"
    if not (text.startswith(start) and closing(text, 0) == len(text)):
        return None
    rows = [split(row, _AMPERSAND) for row in split(text[len(start) : -len(end)], _ROW) if row.strip()]
    return Matrix(text, tuple(tuple(_part(entry, depth + 1) for entry in row) for row in rows))


def _both_signs(text: str, depth: int) -> Part | None:
    if not _SIGNS.search(text):
        return None
    upper, lower = _with_sign(text)
    return Group(text, "list", (_turned(upper, depth), _turned(lower, depth)), "\\pm")


def _turned(text: str, depth: int) -> Part:
    """A signed text; the sign of a tuple is that of its members."""
    sign, rest = text[:1], text[1:].strip()
    inside = _part(rest, depth + 1) if sign in ("+", "-") and rest[:1] == "(" else None
    if not isinstance(inside, Group) or inside.kind != "tuple":
        return _part(text, depth + 1)
    members = tuple(_part(f"{'-' if sign == '-' else ''}({one.text})", depth + 1) for one in inside.items)
    return replace(inside, text=text, items=members)
