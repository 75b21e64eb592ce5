r"""Exact arithmetic on rational numbers: 2^{2024} - 1, 100! + 1, \binom{2024}{990}, \gcd(18, 12), \frac{3^{100}-1}{2}.

Computes expressions that contain only numbers exactly, so that values differ however large or close they are. A value
too long to write is `TOO_LARGE`, which equals nothing; any other expression gives None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from promptcot.core.answers.formulas import NotPlain, computed, tokens_of

TOO_LARGE = "too large"

Value = Fraction | str | None

_BITS = 1 << 20
_LARGEST_FACTORIAL = 20_000


class _TooLarge(Exception):
    pass


@lru_cache(maxsize=4096)
def value(text: str) -> Value:
    """The exact value of a normalised text: a fraction, TOO_LARGE, or None."""
    try:
        return computed(tokens_of(text), _Exact())
    except _TooLarge:
        return TOO_LARGE
    except (NotPlain, ZeroDivisionError):
        return None


class _Exact:
    """Fractions of at most a million bits. Raises NotPlain for irrational values, _TooLarge for longer fractions."""

    def literal(self, token: str) -> Fraction:
        digits, _, exponent = token.replace(",", "").lower().partition("e")
        if abs(int(exponent or 0)) > _BITS // 4:
            raise _TooLarge
        return Fraction(digits) * Fraction(10) ** int(exponent or 0)

    def name(self, token: str) -> Fraction:
        raise NotPlain

    def checked(self, value: Fraction) -> Fraction:
        if value.numerator.bit_length() + value.denominator.bit_length() > _BITS:
            raise _TooLarge
        return value

    def power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1:
            raise NotPlain  # a root
        if abs(base) in (0, 1):
            return base ** int(exponent % 2 + (2 if exponent > 0 else 0)) if base or exponent >= 0 else 1 / base
        size = base.numerator.bit_length() + base.denominator.bit_length()
        if size * abs(exponent) > _BITS:
            raise _TooLarge
        return base ** int(exponent)

    def root(self, base: Fraction, degree: Fraction | None) -> Fraction:
        raise NotPlain

    def logarithm(self, base: Fraction) -> Fraction:
        raise NotPlain

    def factorial(self, base: Fraction, step: int) -> Fraction:
        """n! = n (n - 1) …, and n!! = n (n - 2) …"""
        number = _whole(base, _LARGEST_FACTORIAL)
        return Fraction(math.factorial(number) if step == 1 else math.prod(range(number, 0, -step)))

    def binomial(self, above: Fraction, below: Fraction) -> Fraction:
        n, k = _whole(above, 1 << _BITS), _whole(below, 1 << _BITS)
        least = min(k, n - k)
        if least * n.bit_length() > _BITS:
            raise _TooLarge
        return Fraction(math.comb(n, least) if least >= 0 else 0)

    def of_several(self, command: str, values: Sequence[Fraction]) -> Fraction:
        if command in (r"\max", r"\min"):
            return max(values) if command == r"\max" else min(values)
        whole = [_whole(number, 1 << _BITS) for number in values]
        return Fraction(math.gcd(*whole) if command == r"\gcd" else math.lcm(*whole))


def _whole(number: Fraction, most: int) -> int:
    if number.denominator != 1 or number < 0:
        raise NotPlain
    if number > most:
        raise _TooLarge
    return int(number)
