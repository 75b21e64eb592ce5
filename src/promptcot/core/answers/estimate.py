r"""Expressions with roots, \pi, e, \ln and variables, by their values at fixed points, in sixty digits.

Compares expressions without computer algebra: if values differ, the expressions differ; if they agree in forty digits
at all points, the expressions are the same, by the same reasoning as in `grading.values`. All points are positive.
Decides only if no intermediate value is very large or small, so that digits are not lost; all else is left undecided.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, localcontext
from functools import lru_cache
from itertools import pairwise

from promptcot.core.answers.formulas import NotPlain, computed, tokens_of

_MIXED = re.compile(r"(?<![\d.}_^])(\d{1,50})\s*\\frac\{(\d{1,50})\}\{(\d{1,50})\}")
_CONTEXT = Context(prec=60)
_EXACTLY = Decimal("1e-40")
_ROUGHLY = Decimal("1e-9")  # if a decimal may be rounded, values as close as this are left undecided
_ROUNDED = re.compile(r"(?=[\d,]*\.\d)(?:[,.]*\d){10}")  # a decimal of ten digits
_LARGEST, _SMALLEST = Decimal("1e25"), Decimal("1e-12")
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534")
_POINTS, _MOST_NAMES = 4, 5
# The values of the letters, in alphabetical order: quotients of primes, at which no expression is special.
_ABOVE, _BELOW = (29, 37, 43, 53, 61, 71, 79, 89, 101, 107), (41, 31, 67, 47, 97, 59, 103, 73, 83, 109)
_UNCLEAR = {"I", "j"}  # variables, or other names of i
_ZERO = Decimal(0)
_MOST_POWER = 1000
_FUNCTIONS = set("fghFGHPQ")
INVERSE = re.compile(r"(?<![a-zA-Z\\])([fgh])\s*\^\s*\{\s*-1\s*\}(?=\s*\()")
"""The inverse of a function that is called, as in f^{-1}(x)."""


def differ(one: str, other: str) -> bool | None:
    """Whether two normalised expressions have different values; None if undecided."""
    tokens = _tokens(one), _tokens(other)
    if tokens[0] is None or tokens[1] is None:
        return None
    names = sorted({token for side in tokens for token in side or () if token[:1].isalpha()} - _CONSTANTS.keys())
    if len(names) > _MOST_NAMES:
        return None
    near = _ROUGHLY if _ROUNDED.search(one) or _ROUNDED.search(other) else _EXACTLY
    with localcontext(_CONTEXT):
        for point in range(_POINTS if names else 1):
            where = {name: _place(2 * point + number) for number, name in enumerate(names)}
            verdict = _differ_at(tokens[0], tokens[1], where, near)
            if verdict is not False:
                return verdict
    return False if near == _EXACTLY else None


@lru_cache(maxsize=4096)
def _tokens(text: str) -> Sequence[str] | None:
    try:
        tokens = tokens_of(_MIXED.sub(_as_sum, text))
    except NotPlain:
        return None
    called = any(name in _FUNCTIONS and after == "(" for name, after in pairwise(tokens))
    called |= INVERSE.search(text) is not None
    return None if called or r"\frac{d}" in text or _UNCLEAR & set(tokens) else tokens


def _as_sum(mixed: re.Match[str]) -> str:
    """1\\frac{4}{5} as a sum; 1\\frac{5}{4} is a product or a mistake, and stays."""
    whole, above, below = mixed.groups()
    return rf"({whole}+\frac{{{above}}}{{{below}}})" if int(above) < int(below) else mixed[0]


def _place(number: int) -> Decimal:
    return Decimal(_ABOVE[number % len(_ABOVE)]) / Decimal(_BELOW[number % len(_BELOW)])


def _differ_at(one: Sequence[str], other: Sequence[str], where: Mapping[str, Decimal], near: Decimal) -> bool | None:
    try:
        numbers = _Digits(where)
        values = computed(one, numbers), computed(other, numbers)
    except (NotPlain, ZeroDivisionError, DecimalException):
        return None
    return (values[0] - values[1]).size() > near * max(values[0].size(), values[1].size())


@dataclass(frozen=True, slots=True)
class _Number:
    """A complex number of sixty digits."""

    real: Decimal
    imaginary: Decimal = _ZERO

    def __neg__(self) -> _Number:
        return _Number(-self.real, -self.imaginary)

    def __add__(self, other: _Number) -> _Number:
        return _Number(self.real + other.real, self.imaginary + other.imaginary)

    def __sub__(self, other: _Number) -> _Number:
        return self + -other

    def __mul__(self, other: _Number) -> _Number:
        if not self.imaginary and not other.imaginary:
            return _Number(self.real * other.real)
        return _Number(
            self.real * other.real - self.imaginary * other.imaginary,
            self.real * other.imaginary + self.imaginary * other.real,
        )

    def __truediv__(self, other: _Number) -> _Number:
        if not other.imaginary:
            return _Number(self.real / other.real, self.imaginary / other.real if self.imaginary else _ZERO)
        size = other.real**2 + other.imaginary**2
        return self * _Number(other.real / size, -other.imaginary / size)

    def size(self) -> Decimal:
        return max(abs(self.real), abs(self.imaginary))


class _Digits:
    """Numbers for which sixty digits are enough; raises NotPlain for larger and smaller ones."""

    def __init__(self, where: Mapping[str, Decimal]) -> None:
        self._where = where

    def literal(self, token: str) -> _Number:
        return self.checked(_Number(Decimal(token.replace(",", ""))))

    def name(self, token: str) -> _Number:
        return _CONSTANTS.get(token) or _Number(self._where[token])

    def checked(self, value: _Number) -> _Number:
        for part in (value.real, value.imaginary):
            if part and not _SMALLEST < abs(part) < _LARGEST:
                raise NotPlain
        return value

    def power(self, base: _Number, exponent: _Number) -> _Number:
        power = _real(exponent)
        if abs(power) > _MOST_POWER:
            raise NotPlain
        if power == power.to_integral_value():
            return self.checked(self._whole_power(base, int(power)))
        return self.checked(_Number(_positive(base) ** power))

    def _whole_power(self, base: _Number, power: int) -> _Number:
        if not base.imaginary:
            return _Number(base.real**power)
        found = _Number(Decimal(1))
        for _ in range(abs(power)):
            found = self.checked(found * base)
        return found if power >= 0 else _Number(Decimal(1)) / found

    def root(self, base: _Number, degree: _Number | None) -> _Number:
        if degree is None:
            root = abs(_real(base)).sqrt()
            return _Number(_ZERO, root) if base.real < 0 else _Number(root)
        which = _real(degree)
        if which != which.to_integral_value() or not 2 <= which <= _MOST_POWER:
            raise NotPlain
        return _Number(_positive(base) ** (1 / which)) if base.real else base

    def logarithm(self, base: _Number) -> _Number:
        return self.checked(_Number(_positive(base).ln()))

    def factorial(self, base: _Number, step: int) -> _Number:
        raise NotPlain

    def binomial(self, above: _Number, below: _Number) -> _Number:
        raise NotPlain

    def of_several(self, command: str, values: Sequence[_Number]) -> _Number:
        raise NotPlain


def _real(number: _Number) -> Decimal:
    if number.imaginary:
        raise NotPlain
    return number.real


def _positive(number: _Number) -> Decimal:
    if _real(number) <= 0:
        raise NotPlain
    return number.real


_CONSTANTS = {
    "e": _Number(Decimal(1).exp(_CONTEXT)),
    "i": _Number(_ZERO, Decimal(1)),
    r"\pi": _Number(_PI),
}
