r"""Exact arithmetic on rational numbers: 2^{2024} - 1, 100! + 1, \binom{2024}{990}, \gcd(18, 12), \frac{3^{100}-1}{2}.

Reads what holds nothing but numbers, and computes it exactly, so that numbers are told apart however large or close
they are. What would be too long to write down is `TOO_LARGE`, which equals nothing; what is no such arithmetic is None.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

TOO_LARGE = "too large"

Value = Fraction | str | None

_BITS = 1 << 20
_DEEPEST = 60
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,4}(?![\d.]))?|\.\d+)"
    r"|(?P<command>\\(?:frac|binom|cdot|times|div|gcd|lcm|max|min|bmod))(?![a-zA-Z])|(?P<sign>[-+*/^!(){},|]|\\[{}]))",
    re.ASCII,
)


class _NoArithmetic(Exception):
    pass


class _TooLarge(Exception):
    pass


@lru_cache(maxsize=4096)
def value(text: str) -> Value:
    """The value of a normalised text; TOO_LARGE, or None."""
    if len(text) > 2000 or re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+|\d[eE]", "", text)):
        return None
    try:
        tokens = _tokens(text)
        reading = _Reading(tokens)
        found = reading.sum(0)
        return found if reading.place == len(tokens) else None
    except _TooLarge:
        return TOO_LARGE
    except (_NoArithmetic, ZeroDivisionError):
        return None


def _tokens(text: str) -> list[str]:
    found, place, text = [], 0, text.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token:
            raise _NoArithmetic
        found.append(token[0].strip())
        place = token.end()
    if not found:
        raise _NoArithmetic
    return found


class _Reading:
    """A recursive descent over the tokens: sums of products of powers of atoms."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self.place = 0

    def sum(self, depth: int) -> Fraction:
        if depth > _DEEPEST:
            raise _NoArithmetic
        sign = self._signs()
        total = sign * self._product(depth)
        while self._next() in ("+", "-"):
            sign = self._signs()
            total += sign * self._product(depth)
        return _bounded(total)

    def _signs(self) -> int:
        sign = 1
        while self._next() in ("+", "-"):
            sign = -sign if self._take() == "-" else sign
        return sign

    def _product(self, depth: int) -> Fraction:
        total, numbers = self._power(depth), self._tokens[self.place - 1][:1].isdigit()
        while (token := self._next()) is not None:
            if token in (r"\cdot", r"\times", "*"):
                self._take()
                total *= self._signs() * self._power(depth)
            elif token in ("/", r"\div"):
                self._take()
                total /= self._signs() * self._power(depth)
            elif token in ("(", "{", r"\frac", r"\binom"):
                if numbers and token == r"\frac":
                    raise _NoArithmetic  # 3\frac{1}{2} is a mixed number, which is read elsewhere
                total *= self._power(depth)
            else:
                break
            numbers = False
            _bounded(total)
        return total

    def _power(self, depth: int) -> Fraction:
        base = self._factorials(self._atom(depth))
        if self._next() != "^":
            return base
        self._take()
        sign = self._signs()
        exponent = sign * (self._atom(depth) if self._next() in ("{", "(") else self._single(depth))
        return self._factorials(_raised(base, exponent))

    def _single(self, depth: int) -> Fraction:
        """In TeX one digit is raised: 2^10 means 2^1 0, which nobody writes who means it."""
        found = self._atom(depth)
        return _raised(found, self._power_of_power(depth)) if self._next() == "^" else found

    def _power_of_power(self, depth: int) -> Fraction:
        self._take()
        return self._signs() * self._power(depth + 1)

    def _factorials(self, base: Fraction) -> Fraction:
        marks = 0
        while self._next() == "!":
            self._take()
            marks += 1
        if marks > 2:
            raise _NoArithmetic  # nobody agrees on what that is
        return base if not marks else _factorial(base) if marks == 1 else _double_factorial(base)

    def _atom(self, depth: int) -> Fraction:
        token = self._take()
        if token[:1].isdigit() or token[:1] == ".":
            return _literal(token)
        if token in ("(", "{"):
            inside = self.sum(depth + 1)
            self._expect(")" if token == "(" else "}")
            return inside
        if token == r"\frac":
            above, below = self._group(depth), self._group(depth)
            return above / below
        if token == r"\binom":
            return _binomial(self._group(depth), self._group(depth))
        if token in (r"\gcd", r"\lcm", r"\max", r"\min"):
            return _of_several(token, self._arguments(depth))
        raise _NoArithmetic

    def _group(self, depth: int) -> Fraction:
        self._expect("{")
        inside = self.sum(depth + 1)
        self._expect("}")
        return inside

    def _arguments(self, depth: int) -> list[Fraction]:
        opening = self._take()
        if opening not in ("(", r"\{", "{"):
            raise _NoArithmetic
        found = [self.sum(depth + 1)]
        while self._next() == ",":
            self._take()
            found.append(self.sum(depth + 1))
        self._expect({"(": ")", r"\{": r"\}", "{": "}"}[opening])
        return found

    def _next(self) -> str | None:
        return self._tokens[self.place] if self.place < len(self._tokens) else None

    def _take(self) -> str:
        token = self._next()
        if token is None:
            raise _NoArithmetic
        self.place += 1
        return token

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise _NoArithmetic


def _literal(token: str) -> Fraction:
    digits, _, exponent = token.replace(",", "").lower().partition("e")
    if abs(int(exponent or 0)) > _BITS // 4:
        raise _TooLarge
    return Fraction(digits) * Fraction(10) ** int(exponent or 0)


def _bounded(found: Fraction) -> Fraction:
    if found.numerator.bit_length() + found.denominator.bit_length() > _BITS:
        raise _TooLarge
    return found


def _raised(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise _NoArithmetic  # a root
    size = base.numerator.bit_length() + base.denominator.bit_length()
    if abs(base) in (0, 1):
        return base ** int(exponent % 2 + (2 if exponent > 0 else 0)) if base or exponent >= 0 else 1 / base
    if size * abs(exponent) > _BITS:
        raise _TooLarge
    return base ** int(exponent)


def _whole(number: Fraction, most: int) -> int:
    if number.denominator != 1 or number < 0:
        raise _NoArithmetic
    if number > most:
        raise _TooLarge
    return int(number)


def _factorial(base: Fraction) -> Fraction:
    return Fraction(math.factorial(_whole(base, 20_000)))


def _double_factorial(base: Fraction) -> Fraction:
    """8!! = 8 · 6 · 4 · 2."""
    return Fraction(math.prod(range(_whole(base, 20_000), 0, -2)))


def _binomial(above: Fraction, below: Fraction) -> Fraction:
    if above.denominator == 1 and below.denominator == 1 and 0 <= below <= above:
        least = min(below, above - below)
        if least * above.numerator.bit_length() > _BITS:
            raise _TooLarge
        return Fraction(math.comb(int(above), int(least)))
    return Fraction(math.comb(_whole(above, _BITS), _whole(below, _BITS)))


def _of_several(name: str, numbers: list[Fraction]) -> Fraction:
    if name in (r"\max", r"\min"):
        return max(numbers) if name == r"\max" else min(numbers)
    whole = [_whole(number, 1 << _BITS) for number in numbers]
    return Fraction(math.gcd(*whole) if name == r"\gcd" else math.lcm(*whole))
