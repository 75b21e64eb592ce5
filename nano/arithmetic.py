"""Small written arithmetic: a `Work` writes down the facts of a calculation and gives its results.

A fact is over one or two digits, or three by one, so that a small model can learn it by heart. Where a number does not
exist, the last fact shows it, and `NoSuchNumber` is raised.
"""

from __future__ import annotations

from math import isqrt

DIRECT_SQUARE, DIRECT_FACTOR = 60, 20  # squares and factors up to these are known by heart


class NoSuchNumber(ArithmeticError):
    """The calculation asks for a number that is no positive integer."""


class Work:
    """Facts, in order, each without its dot; `sums` are those that are whole sums, without what they are made of."""

    def __init__(self) -> None:
        self.facts: list[str] = []
        self.sums: list[str] = []

    def _sum(self, fact: str) -> None:
        self.facts.append(fact)
        self.sums.append(fact)

    def plus(self, a: int, b: int) -> int:
        """a + b, always a single fact."""
        self._sum(f"{a}+{b}={a + b}")
        return a + b

    def minus(self, a: int, b: int) -> int:
        """a - b, which must be positive."""
        self.exceeds(a, b)
        self._sum(f"{a}-{b}={a - b}")
        return a - b

    def exceeds(self, a: int, b: int) -> None:
        """Raises NoSuchNumber, with the comparison as a fact, unless a > b."""
        if a <= b:
            self.facts.append(f"{a}<{b}" if a < b else f"{a}={b}")
            raise NoSuchNumber

    def times(self, a: int, b: int) -> int:
        """A product; a long one by the tens and the ones of the smaller factor."""
        self.facts += split(a, b)
        self._sum(f"{a}*{b}={a * b}")
        return a * b

    def over(self, n: int, d: int) -> int:
        """An exact quotient, by long division where it is long."""
        if n >= 100 and n >= 10 * d and d > 2:
            self._long_division(n, d)
        if n % d or n < d:
            self.facts.append(quotient(n, d))
            raise NoSuchNumber
        self._sum(quotient(n, d))
        return n // d

    def _long_division(self, n: int, d: int) -> None:
        rest = 0
        for digit in str(n):
            now = 10 * rest + int(digit)
            if now >= d:
                self.facts.append(quotient(now, d))
            rest = now % d

    def root(self, n: int) -> int:
        """The square root of a perfect square; of another number the two neighbours are shown."""
        r = isqrt(n)
        if r * r != n:
            self.facts += [f"{r}*{r}={r * r}", f"{r + 1}*{r + 1}={(r + 1) ** 2}", "No square"]
            raise NoSuchNumber
        self._sum(f"{r}*{r}={n}")
        return r

    def gcd(self, a: int, b: int) -> int:
        """The greatest common divisor by Euclid's algorithm; a remainder of one ends it at once."""
        large, small = max(a, b), min(a, b)
        while small > 1:
            self.facts.append(quotient(large, small))
            large, small = small, large % small
        g = large if small == 0 else 1
        self.facts.append(f"gcd {g}")
        return g

    def neighbours(self, gap: int, product: int) -> int:
        """The n with n * (n + gap) = product; where there is none, the two next to it are shown."""
        n = max(1, 1 - gap)
        while (n + 1) * (n + 1 + gap) <= product:
            n += 1
        if n * (n + gap) != product:
            self.facts += [f"{i}*{i + gap}={i * (i + gap)}" for i in (n, n + 1)] + ["No product"]
            raise NoSuchNumber
        self._sum(f"{n}*{n + gap}={product}")
        return n


def quotient(n: int, d: int) -> str:
    """A division as a fact: `21/3=7`, or with its remainder `22/3=7 r 1`."""
    return f"{n}/{d}={n // d} r {n % d}" if n % d else f"{n}/{d}={n // d}"


def split(a: int, b: int) -> list[str]:
    """The facts that come before a long product."""
    large, small = max(a, b), min(a, b)
    known = small < 10 or small % 10 == 0 or large % 10 == 0 or large <= DIRECT_FACTOR
    if known or (a == b and a <= DIRECT_SQUARE):
        return []
    tens, ones = small // 10 * 10, small % 10
    return [
        f"{large}*{tens}={large * tens}",
        f"{large}*{ones}={large * ones}",
        f"{large * tens}+{large * ones}={a * b}",
    ]
