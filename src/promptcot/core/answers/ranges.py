r"""Several bounds of one variable: x < 0 or x > 2, x > 1 and x < 5, x \ge 2 and x \ne 3.

Decides which bounds are joined by "and" and which by "or", and returns the interval or the union that they describe.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from promptcot.core.answers.numbers import number
from promptcot.core.answers.relations import has_order, is_relation
from promptcot.core.answers.shapes import Group, Leaf, Named, Part, same_text

_INTERVALS = ("()", "(]", "[)", "[]")
_UNEQUAL = re.compile(r"\\ne(?![a-z])")
_WHOLE_LINE = Group(r"\mathbb{R}", "tuple", (Leaf(r"-\infty"), Leaf(r"\infty")), "()")


def joined(text: str, items: Sequence[Part]) -> Named | None:
    """The interval or union that several bounds of one variable describe; None for anything else."""
    named = [item for item in items if isinstance(item, Named)]
    if len(named) < len(items) or len({item.name for item in named}) != 1:
        return None
    if len(named) > 1:
        named = [item for item in named if not same_text(item.value, r"\mathbb{R}")] or named
    holes = [point for item in named if (point := _missing(item))]
    others = [item for item in named if not _missing(item)]
    parts = _outside(holes, others) if holes else _bounded(text, others)
    return Named(text, named[0].name, parts) if parts else None


def _bounded(text: str, items: Sequence[Named]) -> Part | None:
    values = [item.value for item in items]
    ranges = [value for value in values if _is_range(value)]
    members = any("\\in" in item.text and not has_order(item.text) for item in items)
    if not ranges or members or not all(is_relation(item.text) for item in items):
        return None
    if len(values) == 1:
        return values[0]
    overlap = _overlap(values[0], values[1]) if len(ranges) == len(items) == 2 else None
    if re.search(r"\band\b", text) or (overlap and not re.search(r"\bor\b", text)):
        return overlap  # a comma means "and" if the bounds can hold together
    return Group(text, "union", tuple(values))


def _is_range(value: Part) -> bool:
    return isinstance(value, Group) and value.kind == "tuple" and value.brackets in _INTERVALS


def _overlap(one: Part, other: Part) -> Group | None:
    """(a, b) from the ranges above a and below b, if these are numbers and a < b."""
    assert isinstance(one, Group)
    assert isinstance(other, Group)
    below, above = (one, other) if one.items[0].text == r"-\infty" else (other, one)
    if below.items[0].text != r"-\infty" or above.items[1].text != r"\infty":
        return None
    least, most = _exactly(above.items[0]), _exactly(below.items[1])
    if least is None or most is None or least >= most:
        return None
    text = f"{above.text} \\cap {below.text}"
    return Group(text, "tuple", (above.items[0], below.items[1]), above.brackets[0] + below.brackets[1])


def _outside(holes: Sequence[Part], others: Sequence[Named]) -> Part | None:
    """A range without the excluded points: cut into the parts below and above each of them."""
    ranges = [item.value for item in others] or [_WHOLE_LINE]
    whole = ranges[0] if len(ranges) == 1 else _overlap(ranges[0], ranges[1]) if len(ranges) == 2 else None
    if not isinstance(whole, Group) or not _is_range(whole):
        return None
    inside = sorted((point for point in holes if _lies_in(point, whole)), key=lambda point: _exactly(point) or 0)
    ends = [whole.items[0], *inside, whole.items[1]]
    brackets = [whole.brackets[0], *["("] * len(inside)], [*[")"] * len(inside), whole.brackets[1]]
    pieces = [
        Group(f"{start}{least.text},{most.text}{end}", "tuple", (least, most), start + end)
        for least, most, start, end in zip(ends[:-1], ends[1:], *brackets, strict=True)
    ]
    text = r" \cup ".join(piece.text for piece in pieces)
    return Group(text, "union", tuple(pieces)) if len(pieces) > 1 else pieces[0]


def _missing(item: Named) -> Part | None:
    r"""The 2 of x \ne 2, which was parsed as the union of two ranges; None for anything else."""
    pieces = item.value.items if isinstance(item.value, Group) and item.value.kind == "union" else ()
    if len(pieces) != 2 or not all(_is_range(piece) for piece in pieces) or not _UNEQUAL.search(item.text):
        return None
    below = pieces[0]
    return below.items[1] if isinstance(below, Group) else None


def _lies_in(point: Part, whole: Group) -> bool:
    """Whether a point is strictly between the ends; an end that is not a number is ignored."""
    where, least, most = (_exactly(part) for part in (point, *whole.items))
    return where is not None and (least is None or least < where) and (most is None or where < most)


def _exactly(part: Part) -> Fraction | None:
    parsed = number(part.text)
    return parsed.value if parsed else None
