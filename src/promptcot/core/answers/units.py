r"""The words after a number or an expression: units, counted things, magnitudes, and words that change the meaning.

Decides which words are units (5 cm is 0.05 m, and not 5 m), which only name the counted things (7 apples), which
multiply (5 million), and which change the meaning of the number (10 or fewer, 10 squared): these are not units, and the
text is not parsed as a number. `unit_table` has the units.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from promptcot.core.answers.unit_table import (
    CHANGING,
    FACTORS,
    LONG_PREFIXES,
    METRIC,
    METRIC_WORDS,
    OTHERS,
    PREFIXES,
    SYMBOLS,
    SYMBOLS_AFTER_LETTERS,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its dimensions with their powers, its scale in base units, and unknown words.

    `words` are those that are in no table, without plural endings: counted things and their attributes.
    """

    dimensions: tuple[tuple[str, int], ...] = ()
    scale: Fraction = Fraction(1)
    words: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.dimensions or self.words)


_LONGEST = 200

NONE = Unit()
PERCENT = Unit((("percent", 1),))
DEGREE = Unit((("angle", 1),))

_UNITS = {"unit", "units", "u"}
_COUNTED = {"item", "items", "point", "points", "total"}  # words that do not describe the counted things
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cubed": 3, "cu": 3}
_SMALL_WORDS = {"a", "an", "of"}
_WORD = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*|%|\\circ\s*[CF]?", re.ASCII)
_TOKEN = re.compile(
    r"\\text\s*\{(?P<text>[^{}]*)\}|(?P<word>\\circ\s*[CF](?![a-zA-Z])|\\circ(?![a-zA-Z])|[^\W\d_]+(?:['.-][^\W\d_]+)*\.?|%)"
    r"|\^\s*\{?\s*(?P<power>-?\d)\s*\}?|(?P<per>/)|(?P<times>\\cdot(?![a-zA-Z])|[\s^~]+)",
)


_POWER = r"(?:\s*\^\s*\{?\s*-?\d\s*\}?)?"
_TAIL = re.compile(
    rf"(?:\s*\\text\s*\{{[^{{}}]*\}}{_POWER}|\s*\^?\s*\{{?\s*\\circ(?![a-zA-Z])\s*\}}?\s*(?:[CF](?![a-zA-Z]))?|\s*%"
    rf"|\s*/|\s*\\cdot(?=\s*\\text)|(?:(?<=[\d\s}}^/])|(?<=\\text))[^\W\d_]+(?:['’.-][^\W\d_]+)*\.?{_POWER}|\s)+$",
    re.ASCII,
)


def tail(text: str, start: int) -> tuple[int | Fraction, Unit] | None:
    """The text after a value, from `start` on; None if it is more than units and words."""
    if start == len(text):
        return 1, NONE
    if len(text) - start > _LONGEST or not _TAIL.match(text, start):
        return None
    bare = re.findall(r"[^\W\d_]+", re.sub(r"\\text\s*\{[^{}]*\}|\\[a-zA-Z]+\s*[CF]?", " ", text[start:]))
    known = SYMBOLS_AFTER_LETTERS if text[:start].rstrip()[-1:].isalpha() else SYMBOLS
    behind = text[start:]
    words = [word for word in bare if f"/{word}" not in behind and word not in _SMALL_WORDS]
    if any(len(word) <= 2 and word not in known for word in words) or (bare and not words and "/" not in behind):
        return None  # letters after a number are a variable
    return read(text[start:])


@dataclass(frozen=True, slots=True)
class Measured:
    """An expression, its factor (from "million"), and its unit; `changed` has words that change the meaning."""

    text: str
    factor: int | Fraction = 1
    unit: Unit = NONE
    changed: str = ""


@lru_cache(maxsize=4096)
def measured(text: str) -> Measured:
    """An expression, separated from the unit and words after it."""
    if not (text[-1:].isalpha() or text[-1:] in "}%.)'" or "\\circ" in text[-8:] or "\\text" in text[-_LONGEST:]):
        return Measured(text)
    since = max(0, len(text) - _LONGEST)
    for match in _BEHIND.finditer(text, since):
        start = match.end()
        if start and text[:start].strip() and _balanced(text[:start]) and _TAIL.match(text, start):
            if (unit := tail(text, start)) is not None and not (unit[1] == DEGREE and _ANGULAR.search(text, 0, start)):
                return Measured(text[:start].strip(), *unit)
            if "\\text" in text[start:]:
                words = re.sub(r"\\text|[^\w%/^]", " ", text[start:]).lower()
                return Measured(text[:start].strip(), changed=" ".join(words.replace(" ", "").split()))
    return Measured(text)


_ANGULAR = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])")  # the degrees belong to the argument
_BEHIND = re.compile(r"(?<=[\d}\w)!\]|'])(?=\s*\^?\s*\{?\s*\\(?:text|circ)|\s*%|\s+[^\W\d_])")


def _balanced(text: str) -> bool:
    return text.count("{") == text.count("}") and text.count("(") == text.count(")")


@lru_cache(maxsize=4096)
def read(tail: str) -> tuple[int | Fraction, Unit] | None:
    """Text after a value as a factor and a unit; None if it changes the meaning, or does not consist of words.

    >>> read(r" \\text{ million cm}^2")
    (1000000, Unit(dimensions=(('length', 2),), scale=Fraction(1, 10000), words=frozenset()))
    """
    factor: int | Fraction = 1
    dimensions: dict[str, int] = {}
    scale = Fraction(1)
    words: set[str] = set()
    squares = 0
    for name, power in _named(tail) or [("or", 1)]:
        word = name.lower().strip(".")
        if word in FACTORS and not (dimensions or words) and name != "K":
            factor *= FACTORS[word]
        elif found := _known(name):
            known, size = found
            for dimension, count in known.items():
                dimensions[dimension] = dimensions.get(dimension, 0) + count * power
            scale *= Fraction(size) ** power
        elif word in CHANGING or word in FACTORS:
            return None
        elif word in _UNITS:
            squares = power
        elif len(name) == 1 and name.isascii():
            return None  # a variable
        elif word not in _COUNTED:
            words.add(_singular(word))
    if squares and not (dimensions or words):
        dimensions["unit"] = squares
    if dimensions.keys() & {"celsius", "fahrenheit"}:
        dimensions.pop("angle", None)  # degrees Celsius
    left = tuple(sorted((name, power) for name, power in dimensions.items() if power))
    return factor, Unit(left, scale if left else Fraction(1), frozenset(words))


def _named(tail: str) -> list[tuple[str, int]] | None:
    """The words with their powers, negative after "per" and "/"; None for anything else."""
    names: list[tuple[str, int]] = []
    sign, pending = 1, 1
    for kind, text in _tokens(tail):
        if kind == "bad":
            return None
        if kind == "power":
            if not names:
                return None
            name, power = names[-1]
            names[-1] = name, power * int(text)
        elif kind == "per" or (text.lower() in ("per", "a", "an", "each") and names and text.lower() != "each"):
            sign = -1
        elif text.lower() in _POWERS:
            if text.lower() in ("squared", "cubed"):
                if not names or not _known(names[-1][0]):
                    return None
                names[-1] = names[-1][0], names[-1][1] * _POWERS[text.lower()]
            else:
                pending = _POWERS[text.lower()]
        else:
            names.append((text, sign * pending))
            pending = 1
    return names


def _tokens(tail: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(tail):
        token = _TOKEN.match(tail, place)
        if not token:
            yield "bad", tail[place:]
            return
        if token["text"] is not None:
            yield from _tokens(re.sub(r"[(),!]", " ", token["text"]))
        elif token["word"]:
            yield "word", re.sub(r"\s", "", token["word"]).rstrip(".")
        elif token["power"]:
            yield "power", token["power"]
        elif token["per"]:
            yield "per", "/"
        place = token.end()


@lru_cache(maxsize=4096)
def _known(name: str) -> tuple[dict[str, int], Fraction | int] | None:
    """The dimensions and scale of a unit by its name; symbols are case-sensitive."""
    if entry := OTHERS.get(name) or (OTHERS.get(name.lower()) if len(name) > 1 else None):
        return entry
    for prefix, exponent in (("", 0), *PREFIXES.items()):
        if name.startswith(prefix) and (entry := METRIC.get(name[len(prefix) :])):
            return entry[0], Fraction(entry[1]) * Fraction(10) ** exponent
    word = name.lower()
    for prefix, exponent in (("", 0), *LONG_PREFIXES.items()):
        rest = word.removeprefix(prefix) if word.startswith(prefix) else ""
        symbol = METRIC_WORDS.get(rest) or METRIC_WORDS.get(rest.removesuffix("s"))
        if symbol:
            dimensions, size = METRIC[symbol]
            return dimensions, Fraction(size) * Fraction(10) ** exponent
    return None


_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "dice": "die"}


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending, without in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss") and len(word) > len(ending) + 1:
            return word[: -len(ending)] + without
    return word


def alike(one: Unit, other: Unit) -> bool:
    """Whether values in these units may be compared. A missing unit fits any; unknown words must not contradict."""
    if not one or not other:
        return True
    words = one.words <= other.words or other.words <= one.words
    return words and (one.dimensions == other.dimensions or _in_units(one, other) or _in_units(other, one))


def _in_units(one: Unit, other: Unit) -> bool:
    """Whether "5 units" matches the other unit: it matches any, but "5 square units" only an area."""
    (name, power), *_ = one.dimensions or (("", 0),)
    if name != "unit" or "unit" in dict(other.dimensions):
        return False
    return power == 1 or other.dimensions == (("length", power),)


def is_percent(unit: Unit) -> bool:
    """Whether a unit is percent, with or without further words."""
    return unit.dimensions == PERCENT.dimensions


def scale_between(one: Unit, other: Unit) -> Fraction:
    """The factor that converts the first unit to the second; 1 if they are of different kinds."""
    return one.scale / other.scale if one.dimensions == other.dimensions else Fraction(1)
