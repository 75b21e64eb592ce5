r"""Whether two expressions are the same, for numbers, words, times, ratios and quantities; None for all others.

Works on normalised texts. Decides what counts as a word or as a single letter, how percentages and units enter, and
what can be computed exactly. Variables, roots and functions need algebra, which `promptcot.grading` has.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from promptcot.core.answers import propositions
from promptcot.core.answers.arithmetic import TOO_LARGE, value
from promptcot.core.answers.estimate import differ
from promptcot.core.answers.normalise import compact
from promptcot.core.answers.numbers import number, same_number
from promptcot.core.answers.quantities import clock, date
from promptcot.core.answers.units import DEGREE, NONE, Measured, Unit, alike, is_percent, measured, scale_between

_LONGEST = 4000
_LETTER = re.compile(r"\(?([a-zA-Z])\)?")
_WORDS = re.compile(r"[^\W\d_][^\W\d_' .,\-]*(?:[ '.,\-]+[^\W\d_]+)*[.!]?")
_ARTICLE = re.compile(r"(?:an?|the|on|both) (?=\w{3})")
_RATIO = re.compile(r"\d{1,50}(?:\s*:\s*\d{1,50})+", re.ASCII)
_UNIT_LETTER = re.compile(r"(.*\d)\s*([a-zA-Z])", re.DOTALL)
_BOUNDS = re.compile(r"_\s*\{[^{}]*\}")  # of a sum
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_CHOICES, _MARKED_CHOICES = "ABCDabcd", "ABCDEFGHIJabcdefghij"


def relates(text: str) -> bool:
    """Whether a text is an equation or an inequality; the signs in the bounds of a sum do not count."""
    return re.search(r"=|\\(?:[lgn]e)(?![a-z])|[<>]", _BOUNDS.sub("", text)) is not None


def same_expression(gold: str, answer: str) -> bool | None:
    """Whether two normalised expressions are the same; None if that needs algebra."""
    if compact(_lowered(gold)) == compact(_lowered(answer)):
        return True
    numbers = number(gold), number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return same_number(numbers[0], numbers[1])
    if "\\ldots" in gold or "\\ldots" in answer or max(len(gold), len(answer)) > _LONGEST:
        return False
    if (verdict := _same_words(gold, answer, any(numbers))) is not None:
        return verdict
    if any(found is not None and found.base for found in numbers):
        return False
    if any(numbers) and any(relates(text) for text in (gold, answer)):
        return False
    for same in (_same_dates, _same_times, _same_ratios, propositions.same):
        if (verdict := same(gold, answer)) is not None:
            return verdict
    return _same_quantities(gold, answer)


def upright(text: str) -> str:
    """The text without \\text and similar commands."""
    return _TEXT.sub(r"\1", text) if "\\text" in text else text


def _lowered(text: str) -> str:
    """The text with the words within \\text in lower case; single letters stay, since they may be variables."""
    if "\\text" not in text:
        return text
    return _TEXT.sub(lambda words: words[1].lower() if len(words[1].strip()) > 1 else words[1], text)


def letter_of(text: str) -> str | None:
    """The single letter that a text consists of: bare, in parentheses or within \\text."""
    match = _LETTER.fullmatch(upright(text).strip(" ."))
    return match[1] if match else None


def _same_words(gold: str, answer: str, numeric: bool) -> bool | None:
    letters = letter_of(gold), letter_of(answer)
    if letters[0] and letters[1]:
        return _same_letters(gold, answer, letters[0], letters[1])
    if numeric and any(letter and letter not in "ei" for letter in letters):
        return False
    marked = "\\text" in gold + answer
    words = _words(gold, marked), _words(answer, marked)
    if words[0] is not None and words[1] is not None:
        return words[0] == words[1]
    mathematics = not re.search(r"[a-zA-Z]", gold) or not re.search(r"[a-zA-Z]", answer)
    return False if any(words) and (numeric or mathematics) else None


def _same_letters(gold: str, answer: str, one: str, other: str) -> bool:
    """Upper and lower case differ for variables, and are the same for the letters of choices."""
    marked = any(mark in text for text in (gold, answer) for mark in ("(", "\\text"))
    choices = _MARKED_CHOICES if marked else _CHOICES
    return one == other or (one in choices and one.lower() == other.lower())


def _words(text: str, marked: bool = False) -> str | None:
    """A few words in lower case, without an article; None for possible mathematics, such as xy.

    What is set as text, or `marked` since the other answer is, is no mathematics; nor are capitals of which one comes
    twice, such as HHT, since a product would have a power.
    """
    marked = marked or "\\text" in text
    plain = upright(text).strip(" .$")
    if not _WORDS.fullmatch(plain):
        return None
    long = any(len(word) > 2 and re.search("[aeiouyAEIOUY]", word) for word in re.findall(r"[^\W\d_]+", plain))
    spelled = len(plain) > 2 and plain.isupper() and plain.isalpha() and len({*plain}) < len(plain)
    word = marked or long or spelled
    return _ARTICLE.sub("", " ".join(plain.lower().split()), count=1).rstrip(" !") if word else None


def _same_dates(gold: str, answer: str) -> bool | None:
    """5 June is June 5, in any year if none is written, and is neither 5 nor June; None unless one is a date."""
    one, other = date(gold), date(answer)
    if one is None or other is None:
        return None if one is other else False
    return one[1:] == other[1:] and (one[0] == other[0] or None in (one[0], other[0]))


def _same_times(gold: str, answer: str) -> bool | None:
    """9:30 p.m. is 21:30, and not 9:30; None unless both are times and one has "a.m." or "p.m."."""
    times = clock(gold), clock(answer)
    if times[0] is None or times[1] is None or not (times[0][1] or times[1][1]):
        return None
    clear = all(named or minutes >= 13 * 60 for minutes, named in (times[0], times[1]))
    return clear and times[0][0] == times[1][0]


def _same_ratios(gold: str, answer: str) -> bool | None:
    """1:2 is 2:4, and 3:4:5 is 6:8:10; but 12:05 is a time, not 12:5. None unless both are ratios of whole numbers."""
    if ":" not in gold or not (_RATIO.fullmatch(gold) and _RATIO.fullmatch(answer)):
        return None
    one, other = (text.replace(" ", "").split(":") for text in (gold, answer))
    times = any(len(part) > 1 and part.startswith("0") for part in one[1:] + other[1:])
    terms, others = [int(part) for part in one], [int(part) for part in other]
    if times or len(terms) != len(others):
        return terms == others
    return all(a * others[0] == b * terms[0] for a, b in zip(terms, others, strict=True)) and any(others) == any(terms)


def _same_quantities(gold: str, answer: str) -> bool | None:
    """Compares expressions with the units or words after them; None if the expressions must be computed."""
    pair = comparable(gold, answer)
    if pair is None:
        return False
    if pair != (gold, answer):
        return same_expression(*pair)
    values = value(gold), value(answer)
    if TOO_LARGE in values:
        return False
    if None not in values:
        return values[0] == values[1]
    different = differ(gold, answer)
    return None if different is None else not different


def comparable(gold: str, answer: str) -> tuple[str, str] | None:
    """Both expressions converted to one unit, without it; None if their units, or the words after them, differ."""
    one, other = measured(gold), measured(answer)
    one, other = _with_letter(one, other.unit), _with_letter(other, one.unit)
    if one.changed != other.changed or not alike(one.unit, other.unit):
        return None
    if is_percent(one.unit) != is_percent(other.unit):
        one, other = (_hundredth(side) if is_percent(side.unit) else side for side in (one, other))
    if (one.unit, other.unit) in ((DEGREE, NONE), (NONE, DEGREE)) and "\\pi" in one.text + other.text:
        one, other = (_in_radians(side) if side.unit == DEGREE else side for side in (one, other))
    scale = scale_between(other.unit, one.unit)
    return _scaled(one.text, one.factor), _scaled(other.text, other.factor * scale)


def _with_letter(side: Measured, other: Unit) -> Measured:
    """2400 m in metres if the other answer has a unit of length; otherwise m could be a variable."""
    match = _UNIT_LETTER.fullmatch(side.text) if other.dimensions and not side.unit and not side.changed else None
    if not match:
        return side
    read = measured(rf"{match[1]}\text{{ {match[2]}}}")
    return read if read.unit.dimensions == other.dimensions else side


def _hundredth(side: Measured) -> Measured:
    return replace(side, factor=side.factor * Fraction(1, 100))


def _in_radians(side: Measured) -> Measured:
    """An angle in radians, to be compared with one that is written with pi; a bare number without pi is in degrees."""
    return replace(side, text=rf"({side.text}) \cdot \pi", factor=side.factor * Fraction(1, 180))


def _scaled(text: str, factor: int | Fraction) -> str:
    if factor == 1:
        return text
    return f"({text}) \\cdot \\frac{{{factor.numerator}}}{{{factor.denominator}}}"
