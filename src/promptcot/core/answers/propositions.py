r"""Formulas of propositional logic, by their truth tables: p \land q is q \land p, and \neg p \lor q is p \to q.

Parses letters, the constants \top and \bot, and the connectives; any other text is not such a formula. "And" binds more
tightly than "or", and "or" more than implication. Several implications need parentheses: A \to B \to C may be a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import product

_MOST_LETTERS, _DEEPEST, _LONGEST = 8, 30, 400
_TOKEN = re.compile(
    r"\s*(?:(?P<not>\\(?:neg|lnot|sim)(?![a-z])|¬)|(?P<and>\\(?:land|wedge)(?![a-z]))|(?P<or>\\(?:lor|vee)(?![a-z]))"
    r"|(?P<xor>\\oplus(?![a-z]))|(?P<if>\\(?:to|implies|Rightarrow|rightarrow|supset|Longrightarrow)(?![a-z]))"
    r"|(?P<iff>\\(?:iff|leftrightarrow|Leftrightarrow|Longleftrightarrow)(?![a-z]))"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<constant>\\(?:top|bot)(?![a-z]))|(?P<letter>[a-zA-Z](?:_\w)?))\s*"
)
_CONNECTIVE = re.compile(r"\\(?:l?neg|lnot|land|wedge|lor|vee|oplus|to|implies|iff|(?:L|l|R|r)[a-z]*arrow)(?![a-z])|¬")

World = Mapping[str, bool]
Formula = Callable[[World], bool]


class _NoFormula(Exception):
    pass


def same(gold: str, answer: str) -> bool | None:
    """Whether two normalised formulas have the same truth table; None unless both are formulas of few letters."""
    if not (_CONNECTIVE.search(gold) or _CONNECTIVE.search(answer)):
        return None
    one, other = _read(gold), _read(answer)
    if one is None or other is None:
        return None
    letters = sorted(one[1] | other[1])
    if len(letters) > _MOST_LETTERS:
        return None
    worlds = (dict(zip(letters, values, strict=True)) for values in product((False, True), repeat=len(letters)))
    return all(one[0](world) == other[0](world) for world in worlds)


@lru_cache(maxsize=1024)
def _read(text: str) -> tuple[Formula, frozenset[str]] | None:
    """The formula and its letters; None for anything else."""
    tokens, place = [], 0
    if len(text) > _LONGEST:
        return None
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token:
            return None
        tokens.append((str(token.lastgroup), token[0].strip()))
        place = token.end()
    try:
        reading = _Reading(tokens)
        formula = reading.formula(0, 0)
        reading.expect("end")
    except _NoFormula:
        return None
    return formula, frozenset(name for kind, name in tokens if kind == "letter")


# Connectives by precedence, weakest first: the kind of token, and its function of both sides.
_BINARY: list[tuple[str, Callable[[bool, bool], bool]]] = [
    ("iff", lambda one, other: one == other),
    ("if", lambda one, other: not one or other),
    ("or", lambda one, other: one or other),
    ("xor", lambda one, other: one != other),
    ("and", lambda one, other: one and other),
]


class _Reading:
    """A recursive descent parser over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._place = [*tokens, ("end", "")], 0

    def formula(self, level: int, depth: int) -> Formula:
        """A formula of connectives that bind at least as much as those of `level`."""
        if depth > _DEEPEST:
            raise _NoFormula
        if level == len(_BINARY):
            return self._atom(depth)
        kind, operation = _BINARY[level]
        left = self.formula(level + 1, depth)
        while self._next() == kind:
            self._place += 1
            left = _joined(operation, left, self.formula(level + 1, depth + 1))
            if kind == "if":
                break
        return left

    def _atom(self, depth: int) -> Formula:
        kind, text = self._tokens[self._place]
        self._place += 1
        if kind == "not" and depth <= _DEEPEST:
            inside = self._atom(depth + 1)
            return lambda world: not inside(world)
        if kind == "letter":
            return lambda world: world[text]
        if kind == "constant":
            return lambda _: text == r"\top"
        if kind != "open":
            raise _NoFormula
        inside = self.formula(0, depth + 1)
        self.expect("close")
        return inside

    def expect(self, kind: str) -> None:
        """Consume a token of this kind. Raises _NoFormula for any other token."""
        if self._next() != kind:
            raise _NoFormula
        self._place += 1

    def _next(self) -> str:
        return self._tokens[self._place][0]


def _joined(operation: Callable[[bool, bool], bool], one: Formula, other: Formula) -> Formula:
    return lambda world: operation(one(world), other(world))
