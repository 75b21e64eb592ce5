r"""Reads the plain part of LaTeX mathematics: sums, products, quotients, powers, roots, factorials, binomials.

A recursive descent parser that computes while it reads, with the given kind of numbers (`Numbers`): exact ones in
`arithmetic`, many digits at a point in `estimate`. Any other expression raises `NotPlain`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

_DEEPEST = 60
_LONGEST = 2000
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+(?![\d])|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,4}(?![\d.a-zA-Z]))?|\.\d+)"
    r"|(?P<command>\\(?:frac|binom|sqrt|pi|cdot|times|div|gcd|lcm|max|min|ln)(?![a-zA-Z]))"
    r"|(?P<sign>[-+*/^!(){},\[\]]|\\[{}])|(?P<name>[a-zA-Z](?:_(?:\w|\{\w{1,9}\}))?))",
    re.ASCII,
)
_COMMANDS_OF_SEVERAL = (r"\gcd", r"\lcm", r"\max", r"\min")
_STARTS = ("(", "{", r"\frac", r"\binom", r"\sqrt", r"\pi", r"\ln")
_CLOSING = {"(": ")", "{": "}", r"\{": r"\}", "[": "]"}


class NotPlain(Exception):
    """The text is not in the plain part of LaTeX that this module parses."""


class Value(Protocol):
    """A value that can be added and multiplied."""

    def __neg__(self: Number) -> Number: ...
    def __add__(self: Number, other: Number) -> Number: ...
    def __mul__(self: Number, other: Number) -> Number: ...
    def __truediv__(self: Number, other: Number) -> Number: ...


Number = TypeVar("Number", bound=Value)


class Numbers(Protocol[Number]):
    """A kind of number. Methods raise NotPlain for unsupported input, ZeroDivisionError for undefined values."""

    def literal(self, token: str) -> Number: ...
    def name(self, token: str) -> Number: ...
    def checked(self, value: Number) -> Number: ...
    def power(self, base: Number, exponent: Number) -> Number: ...
    def root(self, base: Number, degree: Number | None) -> Number: ...
    def factorial(self, base: Number, step: int) -> Number: ...
    def binomial(self, above: Number, below: Number) -> Number: ...
    def logarithm(self, base: Number) -> Number: ...
    def of_several(self, command: str, values: Sequence[Number]) -> Number: ...


def tokens_of(text: str) -> list[str]:
    """The tokens of a normalised text. Raises NotPlain for unknown tokens and very long texts."""
    tokens, place, text = [], 0, text.rstrip()
    if len(text) > _LONGEST:
        raise NotPlain
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token:
            raise NotPlain
        tokens.append(token[0].strip())
        place = token.end()
    if not tokens:
        raise NotPlain
    return tokens


def computed(tokens: Sequence[str], numbers: Numbers[Number]) -> Number:
    """The value of the tokens. Raises NotPlain and ZeroDivisionError."""
    reading = _Reading(tokens, numbers)
    result = reading.sum(0)
    if reading.place < len(tokens):
        raise NotPlain
    return result


class _Reading(Generic[Number]):
    """Parses sums of products of powers of atoms, from a position on."""

    def __init__(self, tokens: Sequence[str], numbers: Numbers[Number]) -> None:
        self._tokens, self._numbers = tokens, numbers
        self.place = 0

    def sum(self, depth: int) -> Number:
        if depth > _DEEPEST:
            raise NotPlain
        negative = self._signs()
        total = self._signed(self._product(depth), negative)
        while self._next() in ("+", "-"):
            negative = self._signs()
            total = total + self._signed(self._product(depth), negative)
        return self._numbers.checked(total)

    def _signed(self, value: Number, negative: bool) -> Number:
        return -value if negative else value

    def _signs(self) -> bool:
        negative = False
        while self._next() in ("+", "-"):
            negative ^= self._take() == "-"
        return negative

    def _product(self, depth: int) -> Number:
        after_number = (self._next() or "")[:1].isdigit()
        total = self._power(depth)
        while (token := self._next()) is not None:
            if token in (r"\cdot", r"\times", "*"):
                self._take()
                total = total * self._factor(depth)
            elif token in ("/", r"\div"):
                self._take()
                total = total / self._factor(depth)
            elif token in _STARTS or token[:1].isalpha():
                if after_number and token == r"\frac":
                    raise NotPlain  # 3\frac{1}{2} is a mixed number, which other modules parse
                total = total * self._power(depth)
            else:
                break
            after_number = False
            self._numbers.checked(total)
        return total

    def _factor(self, depth: int) -> Number:
        negative = self._signs()
        return self._signed(self._power(depth), negative)

    def _power(self, depth: int) -> Number:
        base = self._factorials(self._atom(depth))
        if self._next() != "^":
            return base
        self._take()
        return self._factorials(self._numbers.power(base, self._exponent(depth + 1)))

    def _exponent(self, depth: int) -> Number:
        """A group or one token; both 2^{3^2} and 2^3^2 are towers."""
        if depth > _DEEPEST:
            raise NotPlain
        negative = self._signs()
        exponent = self._atom(depth)
        if self._next() == "^":
            self._take()
            exponent = self._numbers.power(exponent, self._exponent(depth + 1))
        return self._signed(exponent, negative)

    def _factorials(self, base: Number) -> Number:
        marks = 0
        while self._next() == "!":
            self._take()
            marks += 1
        if marks > 2:
            raise NotPlain  # there is no agreed meaning
        return self._numbers.factorial(base, marks) if marks else base

    def _atom(self, depth: int) -> Number:
        token = self._take()
        if token[:1].isdigit() or token[:1] == ".":
            return self._numbers.literal(token)
        if token in ("(", "{"):
            inside = self.sum(depth + 1)
            self._expect(_CLOSING[token])
            return inside
        if token == r"\pi" or token[:1].isalpha():
            return self._numbers.name(token)
        return self._command(token, depth)

    def _command(self, token: str, depth: int) -> Number:
        if token == r"\frac":
            above, below = self._group(depth), self._group(depth)
            return above / below
        if token == r"\binom":
            return self._numbers.binomial(self._group(depth), self._group(depth))
        if token == r"\sqrt":
            degree = self._between("[", depth) if self._next() == "[" else None
            return self._numbers.root(self._group(depth), degree)
        if token == r"\ln":
            return self._numbers.logarithm(self._argument(depth))
        if token in _COMMANDS_OF_SEVERAL:
            return self._numbers.of_several(token, self._arguments(depth))
        raise NotPlain

    def _argument(self, depth: int) -> Number:
        """A group, or a number at the end of its product: in \\ln 2x it is unclear if x is in the argument."""
        if self._next() in ("(", "{"):
            return self._atom(depth)
        argument = self._atom(depth)
        if self._next() not in (None, "+", "-", ")", "}", "/", ","):
            raise NotPlain
        return argument

    def _group(self, depth: int) -> Number:
        return self._between("{", depth)

    def _between(self, opening: str, depth: int) -> Number:
        self._expect(opening)
        inside = self.sum(depth + 1)
        self._expect(_CLOSING[opening])
        return inside

    def _arguments(self, depth: int) -> list[Number]:
        opening = self._take()
        if opening not in ("(", r"\{", "{"):
            raise NotPlain
        arguments = [self.sum(depth + 1)]
        while self._next() == ",":
            self._take()
            arguments.append(self.sum(depth + 1))
        self._expect(_CLOSING[opening])
        return arguments

    def _next(self) -> str | None:
        return self._tokens[self.place] if self.place < len(self._tokens) else None

    def _take(self) -> str:
        token = self._next()
        if token is None:
            raise NotPlain
        self.place += 1
        return token

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise NotPlain
