"""Small written arithmetic: each function gives the facts of a calculation, as text, and its result.

A fact is over one or two digits, or three by one, so that a small model can learn it by heart.
"""

from __future__ import annotations

Work = tuple[list[str], int]


def factors(n: int) -> list[int]:
    """The prime factors of `n` >= 1 in rising order, with repetition."""
    found = []
    p = 2
    while p * p <= n:
        while n % p == 0:
            found.append(p)
            n //= p
        p += 1
    return [*found, n] if n > 1 else found


def add(a: int, b: int) -> Work:
    return [f"{a}+{b}={a + b}."], a + b


def subtract(a: int, b: int) -> Work:
    return [f"{a}-{b}={a - b}."], a - b


def multiply(a: int, b: int) -> Work:
    """A product; where both have two digits or more, by the tens and the ones of the smaller."""
    large, small = max(a, b), min(a, b)
    if small < 10 or small % 10 == 0:
        return [f"{large}*{small}={large * small}."], large * small
    tens, ones = small // 10 * 10, small % 10
    facts = [f"{large}*{tens}={large * tens}.", f"{large}*{ones}={large * ones}."]
    last, product = add(large * tens, large * ones)
    return facts + last, product


def divide(n: int, m: int) -> tuple[list[str], int, int]:
    """Long division digit by digit: facts, quotient, remainder."""
    facts, rest, quotient = [], "", 0
    for digit in str(n):
        now = int(rest + digit)
        facts.append(f"{rest}{digit}/{m}={now // m} r {now % m}.")
        quotient, rest = quotient * 10 + now // m, str(now % m)
    return facts, quotient, n % m


def euclid(a: int, b: int) -> Work:
    """The greatest common divisor by repeated subtraction; a one ends it at once."""
    facts = []
    while a != b and min(a, b) > 1:
        large, small = max(a, b), min(a, b)
        facts.append(f"{large}-{small}={large - small}.")
        a, b = small, large - small
    return [*facts, f"gcd {min(a, b)}."], min(a, b)


def half_product(a: int, b: int) -> Work:
    """a * b / 2, halving an even factor first."""
    even, other = (a, b) if a % 2 == 0 else (b, a)
    facts, product = multiply(even // 2, other)
    return [f"{even}/2={even // 2}.", *facts], product
