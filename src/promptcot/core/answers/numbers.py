r"""Rational numbers as people write them: 1,234 and 1 234; .5; 1/2; 1\frac12; 2.5 \times 10^{-3}; 28\%; 52_8; 5 cm.

Parses exactly, with `Fraction`; a decimal is the rational number it spells. Roots, variables and sums are not parsed.
Numbers of more than 4,000 digits are compared as text, because the standard library refuses to convert them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from promptcot.core.answers import units
from promptcot.core.answers.quantities import mixed
from promptcot.core.answers.remembered import remembered
from promptcot.core.answers.units import NONE, Unit, alike, is_percent, scale_between

_LONGEST = 4000
_ENOUGH_DIGITS = 10

# Atomic groups prevent backtracking over long runs of digits.
_INT = r"(?>[1-9]\d{0,2}(?:,\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?!\d)|\d+)"
_DECIMAL = rf"(?>{_INT}(?:\.\d*)?|\.\d+)"
_SIGNED = rf"[-+]?\s*{_DECIMAL}"
_FRACTION = (
    rf"(?:\\frac\s*\{{\s*(?P<n1>{_SIGNED})\s*\}}\s*\{{\s*(?P<d1>{_SIGNED})\s*\}}"
    rf"|(?P<n2>{_DECIMAL})\s*/\s*(?P<d2>{_DECIMAL}))"
)
_POWER = r"(?:\s*(?:\\times|\\cdot)\s*10\s*\^\s*(?:\{\s*(?P<p1>[-+]?\d{1,3})\s*\}|(?P<p2>\d))|[eE](?P<p3>[-+]?\d{1,3}))"
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)\s*\$?\s*(?:(?:(?P<whole>{_INT})(?:\s+|(?=\\frac)))?{_FRACTION}|(?P<decimal>{_DECIMAL}){_POWER}?)",
    re.ASCII,
)
_REPEATING = re.compile(r"(-?)(\d{1,50})\.(\d{0,50})\\overline\s*\{?\s*(\d{1,50})\s*\}?", re.ASCII)
_LONG = re.compile(r"(-?)\+?(\d++)(\.\d*+)?", re.ASCII)
_BASED = re.compile(r"(?P<sign>-?)\(?(?P<digits>\d[0-9A-Za-z]*)\)?\s*_\s*\{?\s*(?P<base>\d{1,2})\s*\}?", re.ASCII)


@dataclass(frozen=True)
class Number:
    """A parsed number. `value` is None if the number is too long; then `literal` is compared.

    `decimals` is the number of significant digits of a decimal, 0 for an integer or fraction. `base` is 0 unless a base
    was written as a subscript; then `value` is in that base.
    """

    value: Fraction | None
    literal: str
    unit: Unit = NONE
    decimals: int = 0
    base: int = 0


@remembered(8192)
def number(text: str) -> Number | None:
    """The number in a normalised `text`, with its unit; None if the text is anything else."""
    if len(text) > _LONGEST:
        long = _LONG.fullmatch(text.strip())
        return Number(None, long[1] + (long[2].lstrip("0") or "0") + (long[3] or "").rstrip(".0")) if long else None
    text = _inside(text.strip())
    based = _BASED.fullmatch(text)
    if based:
        return _based(based)
    repeating = _REPEATING.fullmatch(text)
    if repeating:
        return _repeating(*repeating.groups())
    match = _NUMBER.match(text)
    if not match or len(text) - match.end() > 200:
        return None
    if several := mixed(text):
        return Number(several[0], "", several[1])
    tail = units.tail(text, match.end())
    return None if tail is None else _plain(match, *tail)


def _repeating(sign: str, whole: str, once: str, period: str) -> Number:
    """0.1\\overline{6} as 1/6."""
    value = Fraction(int(whole + once + period) - int(whole + once), (10 ** len(period) - 1) * 10 ** len(once))
    return Number(-value if sign else value, "")


def _inside(text: str) -> str:
    """The text without one surrounding pair of parentheses or braces, or one surrounding upright font."""
    match = re.fullmatch(r"\\text\s*\{([^{}a-zA-Z]*)\}|\(([^(),]*)\)|\{([^{},]*)\}", text)
    return next(part for part in match.groups() if part is not None).strip() if match else text


def _digits(text: str) -> str:
    return re.sub(r"[,\s+]", "", text)


def _based(match: re.Match[str]) -> Number | None:
    base, digits = int(match["base"]), match["digits"]
    if not 2 <= base <= 36 or len(digits) > _LONGEST or any(int(digit, 36) >= base for digit in digits):
        return None
    value = int(digits, base)
    return Number(Fraction(-value if match["sign"] else value), match["sign"] + digits.upper().lstrip("0"), base=base)


def _plain(match: re.Match[str], factor: int | Fraction, unit: Unit) -> Number | None:
    if match["decimal"]:
        digits = _digits(match["decimal"])
        value = Fraction(digits if digits[-1] != "." else digits[:-1])
        value *= Fraction(10) ** int(match["p1"] or match["p2"] or match["p3"] or 0)
        decimals = len(digits.replace(".", "").lstrip("0")) if "." in digits else 0
    else:
        fraction = _fraction(match)
        if fraction is None:
            return None
        value, decimals = fraction, 0
    return Number((-value if match["sign"] == "-" else value) * factor, "", unit, decimals)


def _fraction(match: re.Match[str]) -> Fraction | None:
    above, below = (Fraction(_digits(match[a] or match[b])) for a, b in (("n1", "n2"), ("d1", "d2")))
    if below == 0:
        return None
    value = above / below
    if match["whole"] is None:
        return value
    # 3\frac{1}{2} is a mixed number; 3\frac{5}{2} and 3\frac{-1}{2} are products.
    whole = Fraction(_digits(match["whole"]))
    return whole + value if 0 < value < 1 else whole * value if match["n1"] else None


def same_number(gold: Number, answer: Number) -> bool:
    """Whether `answer` is the number that `gold` is.

    A number in a base is only the same digits in that base. Units are compared, and converted, where both have one;
    10 % may be given as 10 or as 0.1; a decimal of ten significant digits may stand for the fraction that it rounds.
    """
    if gold.base or answer.base:
        return gold.literal == answer.literal and gold.base == answer.base
    if gold.value is None or answer.value is None:
        return gold.literal == answer.literal
    percent = is_percent(gold.unit), is_percent(answer.unit)
    if any(percent) and not all(percent) and (answer if percent[0] else gold).unit:
        return False
    if any(percent) and not all(percent):
        return any(_near(gold, value, answer.decimals) for value in _meanings(gold, answer))
    if not alike(gold.unit, answer.unit):
        return False
    return _near(gold, answer.value * scale_between(answer.unit, gold.unit), answer.decimals)


def _meanings(gold: Number, answer: Number) -> list[Fraction]:
    """The possible values of `answer`, in the unit of `gold`, if exactly one of the two is a percentage."""
    assert gold.value is not None
    assert answer.value is not None
    if is_percent(gold.unit):
        return [answer.value, answer.value * 100]
    # "0.1 %" is not 0.1; but a gold of 10 for "what percentage" means 10 %.
    return [answer.value / 100, *([answer.value] if abs(gold.value) > 1 else [])]


def _near(gold: Number, value: Fraction, decimals: int) -> bool:
    assert gold.value is not None
    if gold.value == value:
        return True
    rounded = value if gold.decimals else gold.value
    digits = max(gold.decimals, decimals) if rounded.denominator > 1 else 0
    if digits < _ENOUGH_DIGITS or (gold.decimals and decimals):
        return False
    return abs(gold.value - value) * Fraction(10 ** (digits - 1)) <= abs(gold.value)
