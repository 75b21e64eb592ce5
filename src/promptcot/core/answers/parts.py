r"""Parses the structure of an answer: tuples, lists, intervals, unions, matrices, cases, choices, single expressions.

Decides what is ordered, (1, 2), and what is not, \{1, 2\} or "1 and 2". `relations` parses names and relations, `signs`
parses \pm. Does not look inside expressions and compares nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from promptcot.core.answers import ranges, relations, signs, vectors
from promptcot.core.answers.brackets import closing, split
from promptcot.core.answers.conditions import behind_comma, conditional
from promptcot.core.answers.normalise import compact, normalise
from promptcot.core.answers.numbers import number
from promptcot.core.answers.quantities import date
from promptcot.core.answers.relations import ATOM
from promptcot.core.answers.remembered import remembered
from promptcot.core.answers.shapes import IN_ORDER, Choice, Group, Leaf, Matrix, Named, Part

_DEEPEST = 12
_LONGEST = 4000

_CHOICE = re.compile(
    r"(?:\\text\s*\{\s*\(?(?P<marked>[A-Z])\s*[).:]+\s*\}\s*[.:)]?|\\text\s*\{\s*(?P<bare>[A-Z])\s*\}\s*[.:)]"
    r"|\(\s*(?:\\text\s*\{\s*)?(?P<bracketed>[A-Z])\s*\}?\s*\)(?=\s+[^\s(])|(?P<plain>[A-Z])(?:\)|[.:](?=\s)))"
    r"\s*(?P<value>\S.*)",
    re.DOTALL,
)
_CHOSEN = re.compile(
    r"(?:\\text\s*\{\s*)?(?:the\s+)?(?:correct\s+)?(?:option|choice|answer)\s*(?:is|:)?\s*(?:\\text\s*\{\s*)?\(?([A-Z])\)?[\s}.]*",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"\\text\s*\{\s*\(?([A-Z])\)?(?:\s*(?:,\s*and\b|,|and\b|&)\s*\(?([A-Z])\)?)+\s*\}")
_INSIDE = re.compile(r"^\\text\s*\{(\s*\(?[A-Z]\s*[).:][^{}]*)\}$")

_WORD = r"(?<![A-Za-z\\])(?:and|or)(?![a-z])"
_OR = re.compile(r"(?<![A-Za-z\\])or(?![a-z])")
_COMMA = re.compile(rf"\s*,(?:\s*,)*\s*(?:and\b|or\b)?\s*|{_WORD}|(?<!\\)&")
_SUCH_THAT = re.compile(r"\\mid(?![a-z])|\||:")
_SEMICOLON, _ROW, _AMPERSAND = re.compile(r";"), re.compile(r"\\\\"), re.compile(r"&")
_CUP = re.compile(r"\\cup(?![a-z])")
_SUBSCRIPT = re.compile(r"_(?:\{?(\w+)\}?)")
_TURNED = re.compile(r"([\](\[])([^\[\]()]*,[^\[\]()]*)([\])\[])")
_POINT = re.compile(r"([A-Z]'?(?:_\{?\d\}?)?)\s*(\(.*,.*\))")
_BUILT = re.compile(rf"\s*({ATOM})\s*(?:\\in\s*\\mathbb\{{?R\}}?\s*)?(?:\\mid(?![a-z])|\||:)\s*(.+)", re.DOTALL)
_ORDERED = re.compile(
    r"[\s,;]*(?:\\text\s*\{)?[\s,(]*(?:in\s+(?:this|that|the\s+given)\s+order|respectively)[\s.)}]*$", re.IGNORECASE
)
_VARIABLE = re.compile(r"(?<![a-zA-Z\\])[a-df-hj-zA-Z](?![a-zA-Z])")
_IF = re.compile(r"\\text\s*\{\s*,?\s*(?:if|when|for|where)\s*\}|\b(?:if|when|for)\b")


@remembered(8192)
def parse(text: str) -> Part:
    """The parts of `text`, an answer as it was written. Never raises; text that is too long or too deep is one part."""
    if len(text) > 2 * _LONGEST:
        return Leaf(text.strip())
    text = behind_comma(normalise(text))
    return _in_order(text) or _part(text, 0)


def _in_order(text: str) -> Part | None:
    """An ordered list, as "2, 1, 3 (in this order)"; None for all others."""
    said = _ORDERED.search(text) if "order" in text or "respectively" in text else None
    items = _part(text[: said.start()], 0) if said else None
    return replace(items, brackets=IN_ORDER) if isinstance(items, Group) and items.kind == "list" else None


def listing(text: str) -> Part:
    """`text` as a list: all its commas separate members, even if they could separate thousands."""
    return _several(text, _pieces(text, _COMMA), 0)


def _part(text: str, depth: int) -> Part:
    text = text.strip()
    if depth > _DEEPEST or number(text) is not None or date(text) is not None:
        return Leaf(text)
    for reading in (
        _chosen,
        _assigned,
        _environment,
        _listed,
        _residue,
        _related,
        _united,
        _bracketed,
        _multiple,
        _both_signs,
    ):
        part = reading(text, depth)
        if part is not None:
            return part
    return Leaf(text)


def _assigned(text: str, _: int) -> Part | None:
    return relations.assigned(text)


def _residue(text: str, depth: int) -> Part | None:
    return relations.residue(text, depth, _part)


def _related(text: str, depth: int) -> Part | None:
    return relations.related(text, depth, _part)


def _multiple(text: str, depth: int) -> Part | None:
    return vectors.multiple(text, depth, _part)


def _both_signs(text: str, depth: int) -> Part | None:
    return signs.both(text, depth, _part)


def _chosen(text: str, depth: int) -> Part | None:
    """Option C as C, "A and C" as two choices, and (C) 12 as a choice with its value."""
    if depth or not re.match(r"[\\(A-Za-z]", text):
        return None
    if option := _CHOSEN.fullmatch(text):
        return Leaf(rf"\text{{{option[1].upper()}}}")
    if _LETTERS.fullmatch(text):
        return Group(text, "list", tuple(Leaf(letter) for letter in re.findall(r"\b[A-Z]\b", text)))
    match = _CHOICE.fullmatch(_INSIDE.sub(r"\1", text))
    if not match:
        return None
    letter = next(match[name] for name in ("marked", "bare", "bracketed", "plain") if match[name])
    return Choice(text, letter, _part(match["value"], depth + 1))


def _pieces(text: str, separator: re.Pattern[str]) -> list[str]:
    return [piece.strip() for piece in split(text, separator) if piece.strip()]


def _listed(text: str, depth: int) -> Part | None:
    if "\\ne" in text and (unequal := signs.unequal(text)):
        return _several(text, unequal, depth)
    for separator in (_SEMICOLON, _ROW, _OR, _COMMA):
        pieces = _pieces(text, separator)
        if len(pieces) > 1 and (separator is not _OR or all("," in piece and "=" in piece for piece in pieces)):
            return _several(text, pieces, depth)
    return None


def _several(text: str, pieces: Iterable[str], depth: int) -> Part:
    """A list. x = 1, y = 2 is a tuple with names; the indices in x_1 = 1, x_2 = 2 are ignored.

    Repeated members, as from a repeated box, count once.
    """
    pieces = list({compact(piece): piece for piece in pieces}.values())
    if len(pieces) == 1:
        return _part(pieces[0], depth + 1)
    items = signs.flat(_part(piece, depth + 1) for piece in pieces)
    if said_together := ranges.joined(text, items) or conditional(text, items):
        return said_together
    named = [item for item in items if isinstance(item, Named)]
    if len(named) == len(items) > 1:
        bases = [_SUBSCRIPT.sub("", item.name) for item in named]
        numbering = [match[1] if (match := _SUBSCRIPT.search(item.name)) else "" for item in named]
        if len({item.name for item in named}) == len(items) and len(set(bases)) > 1:
            names = tuple(item.name for item in named)
            return Group(text, "tuple", tuple(item.value for item in named), "named", names)
        if len(set(bases)) == 1 and numbering == [str(i + 1) for i in range(len(items))]:
            items = [replace(item, name=bases[0]) for item in named]
    return Group(text, "list", tuple(items))


def _united(text: str, depth: int) -> Part | None:
    pieces = _pieces(text, _CUP)
    return Group(text, "union", tuple(_part(piece, depth + 1) for piece in pieces)) if len(pieces) > 1 else None


def _bracketed(text: str, depth: int) -> Part | None:
    """(1, 2), [0, 1), ]0, 1], \\{1, 2\\} and {1, 2}; (x) is x; A(1, 2) is a point with a name."""
    if (turned := _TURNED.fullmatch(text)) and (turned[1] == "]" or turned[3] == "["):
        brackets = {"]": "(", "[": "["}.get(turned[1], turned[1]) + {"[": ")", "]": "]"}.get(turned[3], turned[3])
        return _bracketed(f"{brackets[0]}{turned[2]}{brackets[1]}", depth)
    if (point := _POINT.fullmatch(text)) and closing(text, point.start(2)) == len(text):
        return Named(text, point[1], _part(point[2], depth + 1))
    opening = text[:2] if text.startswith(r"\{") else text[:1]
    if opening not in (r"\{", "{", "(", "[") or closing(text, 0) != len(text):
        return None
    inside = text[len(opening) : -2 if text.endswith(r"\}") else -1]
    if opening in (r"\{", "{"):
        return _braced(text, inside, depth)
    pieces = _pieces(inside, _SEMICOLON)
    pieces = pieces if len(pieces) > 1 else _pieces(inside, re.compile(","))
    if len(pieces) == 1:
        return _part(inside, depth + 1)
    if signed := signs.in_tuple(text, opening, pieces, depth, _part):
        return signed
    return Group(text, "tuple", tuple(_part(piece, depth + 1) for piece in pieces), opening + text[-1])


def _braced(text: str, inside: str, depth: int) -> Part:
    """A set by its members, or by a condition: \\{x \\mid x > 2\\} is the same as x > 2."""
    if re.search(r"\\mid|[|:]", inside):
        built = _BUILT.fullmatch(inside)
        condition = _part(built[2], depth + 1) if built else None
        if isinstance(condition, Named) and built and condition.name == compact(built[1]):
            return condition
        pieces = [_part(piece, depth + 1) for piece in _pieces(inside, _SUCH_THAT)]
        return (conditional(text, pieces) if len(pieces) == 2 else None) or Leaf(text)
    member = inside.strip() if text.startswith("\\") else ""
    if member.startswith(r"\{") and closing(member, 0) == len(member):
        return Leaf(text)  # a set whose only member is a set
    part = _part(inside, depth + 1)
    if part.text.strip() == r"\emptyset":
        return Leaf(text)  # the set that contains the empty set has one member
    if isinstance(part, Leaf) and text.startswith("\\") and _VARIABLE.search(part.text):
        return Leaf(text)  # a fractional part or a set, not the value itself
    return replace(part, brackets="") if isinstance(part, Group) and part.kind == "list" else part


def _environment(text: str, depth: int) -> Part | None:
    """A matrix; or cases: the list of equations of a system, or the values of a function with their conditions."""
    for name, reading in (("pmatrix", _matrix), ("cases", _cases), ("aligned", _cases)):
        start, end = rf"\begin{{{name}}}", rf"\end{{{name}}}"
        if text.startswith(start) and closing(text, 0) == len(text):
            rows = [split(row, _AMPERSAND) for row in split(text[len(start) : -len(end)], _ROW) if row.strip()]
            return reading(text, rows, depth)
    return None


def _matrix(text: str, rows: list[list[str]], depth: int) -> Part:
    """A matrix; one with a single entry is that entry, and a column of equations is a system."""
    entries = [entry for row in rows for entry in row]
    if len(entries) == 1:
        return _part(entries[0], depth + 1)
    if all(len(row) == 1 and "=" in row[0] for row in rows):
        return _several(text, entries, depth)
    return Matrix(text, tuple(tuple(_part(entry, depth + 1) for entry in row) for row in rows))


def _cases(text: str, rows: list[list[str]], depth: int) -> Part:
    equations = ["".join(row) for row in rows]
    if all(re.search(r"=", row[0] if len(row) == 1 else row[1][:2]) for row in rows):
        return _several(text, equations, depth)
    return Group(text, "list", tuple(_case(row, depth) for row in rows), "cases")


def _case(row: list[str], depth: int) -> Part:
    value, condition = row[0].strip().rstrip(","), " ".join(row[1:])
    if len(row) == 1 and (match := _IF.search(value)):
        value, condition = value[: match.start()].strip().rstrip(","), value[match.end() :]
    return Group(" & ".join(row), "case", (_part(value, depth + 1), _part(_IF.sub(" ", condition), depth + 1)))
