r"""Answers with \pm: each stands for a list, (\pm 1, 2) for (1, 2) and (-1, 2).

Signs in a tuple are chosen together if one of them is \mp, else independently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from promptcot.core.answers.shapes import Group, Named, Part, Reader

SIGNS = re.compile(r"\\(?:pm|mp)(?![a-z])")
BRACKETS = r"\pm"
"""The brackets of a group that was made from a sign."""

_MOST = 4
_UNEQUAL = re.compile(r"([a-zA-Z])\s*\\ne\s*([^,]*,.*|.*\\pm.*)", re.DOTALL)
_NUMERIC = re.compile(r"[-\d.,/\s{}]+|(?:\\(?:frac|sqrt|pi)|[-\d./\s{}])+")


def flat(items: Iterable[Part]) -> list[Part]:
    """Merges lists that were made from signs into the list around them; each member keeps its name."""
    members: list[Part] = []
    for item in items:
        value = item.value if isinstance(item, Named) else item
        if not (isinstance(value, Group) and value.brackets == BRACKETS):
            members.append(item)
        elif isinstance(item, Named):
            members += [replace(item, text=f"{item.name}={one.text}", value=one) for one in value.items]
        else:
            members += value.items
    return members


def both(text: str, depth: int, read: Reader) -> Part | None:
    """x \\pm y as the list of x + y and x - y; None without a sign."""
    if not SIGNS.search(text):
        return None
    upper, lower = _with_sign(text)
    return Group(text, "list", (_turned(upper, depth, read), _turned(lower, depth, read)), BRACKETS)


def unequal(text: str) -> list[str]:
    r"""x \ne \pm 2 or x \ne 0, 1 as one relation per value; none for all others."""
    match = _UNEQUAL.fullmatch(text)
    if not match:
        return []
    values = [value.strip() for value in match[2].split(",") if value.strip()]
    each = [side for value in values for side in dict.fromkeys(_with_sign(value))]
    plain = all(_NUMERIC.fullmatch(side.removeprefix("+")) for side in each)
    return [rf"{match[1]} \ne {side.removeprefix('+')}" for side in each] if plain else []


def in_tuple(text: str, opening: str, pieces: list[str], depth: int, read: Reader) -> Part | None:
    """The list of tuples that a tuple with signs stands for; None without a sign, or with very many."""
    if not 0 < sum(SIGNS.search(piece) is not None for piece in pieces) <= _MOST:
        return None
    together = "\\mp" in text
    choices = [_with_sign(piece) for piece in pieces]
    rows = zip(*choices, strict=True) if together else product(*(dict.fromkeys(choice) for choice in choices))
    tuples = (_tuple(opening, row, text[-1], depth, read) for row in rows)
    return Group(text, "list", tuple(tuples), BRACKETS)


def _tuple(opening: str, members: tuple[str, ...], end: str, depth: int, read: Reader) -> Group:
    items = tuple(read(one, depth + 1) for one in members)
    return Group(f"{opening}{','.join(members)}{end}", "tuple", items, opening + end)


def _with_sign(text: str) -> tuple[str, str]:
    """A text with its upper signs, and with its lower signs."""
    upper = re.sub(r"\\mp(?![a-z])", "-", re.sub(r"\\pm(?![a-z])", "+", text))
    return upper, re.sub(r"\\mp(?![a-z])", "+", re.sub(r"\\pm(?![a-z])", "-", text))


def _turned(text: str, depth: int, read: Reader) -> Part:
    """A text with a sign; the sign of a tuple is passed on to its members."""
    sign, rest = text[:1], text[1:].strip()
    inside = read(rest, depth + 1) if sign in ("+", "-") and rest[:1] == "(" else None
    if not isinstance(inside, Group) or inside.kind != "tuple":
        return read(text, depth + 1)
    members = tuple(read(f"{'-' if sign == '-' else ''}({one.text})", depth + 1) for one in inside.items)
    return replace(inside, text=text, items=members)
