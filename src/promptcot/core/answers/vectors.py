r"""Vectors written as sums or with a factor: 3i - 2j + k for (3, -2, 1), and \frac13(2, -1) for (2/3, -1/3).

Decides which sums use the unit vectors i, j and k, and which factors precede a tuple. One of the
letters alone is a variable, or the imaginary unit. `exact` compares vectors.
"""

from __future__ import annotations

import re
from itertools import pairwise

from promptcot.core.answers.brackets import outside
from promptcot.core.answers.shapes import Group, Leaf, Reader

_SIGN = re.compile(r"[-+]")
_DIRECTED = re.compile(r"(.*?)\s*(?:\\cdot\s*)?([ijk])", re.DOTALL)
_LETTERS = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z](?![a-zA-Z])")
_FACTOR = re.compile(
    r"(?:[-+]\s*)?(?:\d+(?:\.\d+)?|\\frac\{[^{}]*\}\{[^{}]*\}|\\sqrt\{[^{}]*\}|\s|/|\\cdot(?![a-z]))*\s*(?=\()"
)
_LONGEST = 400


def components(text: str, count: int) -> Group | None:
    """A sum of multiples of i, j and k as a tuple of `count` numbers; None for anything else."""
    names = set(_LETTERS.findall(text))
    directions = names & {"i", "j", "k"}
    if count not in (2, 3) or len(text) > _LONGEST or len(directions) < 2 or (count == 2 and "k" in names):
        return None
    numbers = dict.fromkeys("ijk"[:count], "0")
    seen: set[str] = set()
    for term in _terms(text):
        directed = _DIRECTED.fullmatch(term.strip())
        if not directed or directed[2] in seen or {"i", "j", "k"} & set(_LETTERS.findall(directed[1])):
            return None
        seen.add(directed[2])
        factor = directed[1].strip()
        numbers[directed[2]] = f"{factor}1" if factor in ("", "+", "-") else factor.removeprefix("+").strip()
    return Group(text, "tuple", tuple(Leaf(part) for part in numbers.values()), "()")


def _terms(text: str) -> list[str]:
    cuts = [sign.start() for start, end in outside(text) for sign in _SIGN.finditer(text, start, end)]
    places = sorted({0, *cuts, len(text)})
    return [text[start:end] for start, end in pairwise(places) if text[start:end].strip()]


def multiple(text: str, depth: int, read: Reader) -> Group | None:
    """A number times a tuple, multiplied out; None for anything else."""
    factor = _FACTOR.match(text)
    if not factor or not factor[0].strip():
        return None
    inside = read(text[factor.end() :], depth + 1)
    if not isinstance(inside, Group) or inside.kind != "tuple" or inside.brackets != "()":
        return None
    before = factor[0].strip()
    items = tuple(read(f"{before}({item.text})", depth + 1) for item in inside.items)
    return Group(text, "tuple", items, "()")
