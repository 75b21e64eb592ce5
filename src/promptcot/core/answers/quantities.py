r"""Quantities in several units, 5 ft 3 in, 2 hours 15 minutes, 22^\circ 30', times of the day, 9:30 p.m., and dates.

Decides when consecutive numbers are one quantity: each has a unit of the same kind, and each is smaller than the one
before. `units` decides what a unit is.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from promptcot.core.answers import units
from promptcot.core.answers.units import DEGREE, Unit

_LONGEST = 120
_PIECE = re.compile(
    r"\s*(?:,|and\b)?\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>\\text\s*\{[^{}]*\}|\^?\s*\\circ(?![a-zA-Z])|''|'|[a-z]+\.?)",
    re.ASCII,
)
_AND = re.compile(r"[\s,]*\band\b[\s,]*(?=\}?$)|,\s*(?=\}?$)")
_FEET, _ARCS = {"'": "feet", "''": "inches"}, {"'": "arcminutes", "''": "arcseconds"}
_CLOCK = re.compile(
    r"(\d{1,2})(?::(\d{2}))?\s*(?:\\text\s*\{\s*)?([ap])\.?\s*m\b\.?\s*\}?|(\d{1,2}):(\d{2})", re.ASCII | re.IGNORECASE
)

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTH = "|".join(rf"{name}|{name[:3]}t?\b" for name in _MONTHS)
_DATE = re.compile(
    rf"(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:of\s+)?(?P<m1>{_MONTH})\b\.?(?:,?\s*(?P<y1>\d{{4}}))?"
    rf"|(?P<m2>{_MONTH})\b\.?\s*(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s*(?P<y2>\d{{4}}))?"
    r"|(?P<y3>\d{4})-(?P<m3>[01]\d)-(?P<d3>[0-3]\d)|(?:(?P<y4>\d{4})年)?(?P<m4>\d{1,2})月(?P<d4>\d{1,2})日",
    re.ASCII | re.IGNORECASE,
)
_SET_AS_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")


def mixed(text: str) -> tuple[Fraction, Unit] | None:
    """The sum of several numbers with units of one kind, in the first unit; None for anything else."""
    if len(text) > _LONGEST or not text[:1].isdigit():
        return None
    total, first, last, place = Fraction(0), units.NONE, units.NONE, 0
    while place < len(text):
        piece = _PIECE.match(text, place)
        if not piece or (unit := _unit(piece["unit"], first)) is None:
            return None
        if first and (unit.dimensions != first.dimensions or unit.scale >= last.scale):
            return None
        first, last = first or unit, unit
        total += Fraction(piece["number"]) * units.scale_between(unit, first)
        place = piece.end()
    return (total, first) if last is not first else None


def _unit(written: str, first: Unit) -> Unit | None:
    marks = _ARCS if first == DEGREE else _FEET
    if written in marks:
        written = marks[written]
    parsed = units.read(_AND.sub("", written))
    return parsed[1] if parsed and parsed[0] == 1 and parsed[1].dimensions else None


@lru_cache(maxsize=1024)
def clock(text: str) -> tuple[int, bool] | None:
    """Minutes since midnight of 9:30 p.m. or 21:30, and whether it has "a.m." or "p.m."; None for anything else."""
    match = _CLOCK.fullmatch(text.strip()) if len(text) <= _LONGEST and ("m" in text.lower() or ":" in text) else None
    if not match:
        return None
    hours, minutes = int(match[1] or match[4]), int(match[2] or match[5] or 0)
    if minutes > 59 or hours > (12 if match[3] else 23):
        return None
    if match[3]:
        hours = hours % 12 + (12 if match[3] in "pP" else 0)
    return 60 * hours + minutes, bool(match[3])


Date = tuple[int | None, int, int]
"""Year, month and day; a date without a year matches any year."""


@lru_cache(maxsize=1024)
def date(text: str) -> Date | None:
    """The date in 5 June, June 5th, 2024 or 2024-06-05; None for anything else."""
    if len(text) > _LONGEST or not any(character.isdigit() for character in text):
        return None
    match = _DATE.fullmatch(" ".join(_SET_AS_TEXT.sub(r"\1", text).split()))
    if not match:
        return None
    year, month, day = (
        next((match[f"{part}{form}"] for form in "1234" if match[f"{part}{form}"]), None) for part in "ymd"
    )
    assert month
    assert day
    number = int(month) if month.isdigit() else 1 + [name[:3] for name in _MONTHS].index(month[:3].lower())
    exists = 1 <= number <= 12 and 1 <= int(day) <= 31
    return (int(year) if year else None, number, int(day)) if exists else None
