"""How the numbers of an idea are drawn: freely for a first step, or so that they fit the value of the step before.

Every function takes a generator and that value (0: none), and gives the idea's numbers by the letters of `LANGUAGE.md`,
or None where no numbers fit. The numbers are such that a product mostly has a factor of one digit.
"""

from __future__ import annotations

from math import gcd
from random import Random

GREATEST_DRAWN = 1500
"""Of an operand."""
PRIMITIVE = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))
TRIPLES = tuple(triple for x, y, h in PRIMITIVE for triple in ((x, y, h), (y, x, h)))
COPRIME = tuple((i, j) for i in range(2, 10) for j in range(2, 10) if gcd(i, j) == 1)

Numbers = dict[str, int]


def larger_root(rng: Random, reference: int) -> Numbers | None:
    """Two different roots; with a reference, which is their sum, the smaller one."""
    if not reference:
        r = rng.randint(1, 15)
        return {"r": r, "v": rng.randint(r + 1, 30 if rng.random() < 0.4 else 16)}
    if not 3 <= reference <= 60:
        return None
    return {"r": rng.randint(1, min((reference - 1) // 2, 15)), "s": reference}


def quotient(rng: Random, reference: int) -> Numbers | None:
    """The divisor is the reference; divisor or quotient is small, and none is 1."""
    v, d = rng.randint(2, 12), reference or rng.randint(2, 99)
    if d < 13 and (reference or rng.random() < 0.5):
        v = rng.randint(2, 99)
    elif not reference and rng.random() < 0.5:
        v, d = d, v
    return {"v": v, "d": d} if d > 1 and v * d <= GREATEST_DRAWN else None


def right_triangle(rng: Random, reference: int) -> Numbers | None:
    """A primitive triple and its multiple; the first leg is the reference."""
    if not reference:
        x, y, h = rng.choice(TRIPLES)
        return {"z": rng.randint(1, min(15, 150 // max(x, y))), "x": x, "y": y, "h": h}
    fitting = [t for t in TRIPLES if reference % t[0] == 0 and reference // t[0] * t[2] <= 450]
    if not fitting:
        return None
    x, y, h = rng.choice(fitting)
    return {"x": x, "y": y, "h": h, "a": reference}


def common_difference(rng: Random, reference: int) -> Numbers | None:
    """The reference is the first term."""
    v = rng.randint(2, rng.choice((12, 30, 60)))
    return {"k": rng.randint(4, 12), "a": reference or rng.randint(1, 120), "v": v}


def midpoint(rng: Random, reference: int) -> Numbers | None:
    """The reference is the smaller of the two numbers."""
    return {"h": rng.randint(2, 99), "a": reference or rng.randint(1, 150)}


def common_ratio(rng: Random, reference: int) -> Numbers | None:
    """The reference is the first term; the ratio is 2 or 3 where that term is large."""
    v = rng.randint(2, 12)
    a = reference or rng.randint(2, 99 if v < 4 else 20)
    if a > 20:
        v = rng.randint(2, 3)
    return {"v": v, "a": a} if a * v * v <= GREATEST_DRAWN else None


def square_side(rng: Random, reference: int) -> Numbers | None:
    """With a reference, which is one side of the rectangle, the other side is the reference times a square."""
    if reference:
        j = rng.randint(2, 9 if reference <= 20 else 4)
        return {"a": reference, "j": j} if reference * j * j <= GREATEST_DRAWN else None
    i, j = rng.sample(range(1, 10), 2)
    return {"m": rng.randint(2, 12), "i": i, "j": j}


def linear(rng: Random, reference: int) -> Numbers | None:
    """The reference is the constant on the left."""
    v = rng.randint(2, rng.choice((20, 60)))
    return {"v": v, "a": rng.randint(2, 12), "b": reference or rng.randint(1, 150)}


def sum_difference(rng: Random, reference: int) -> Numbers | None:
    """The reference is the difference; the smaller number is drawn."""
    return {"y": rng.randint(2, 99), "d": reference or rng.randint(1, 99)}


def rectangle_side(rng: Random, reference: int) -> Numbers | None:
    """The reference is the area, and must have a divisor from 2 to 30 that is the shorter side."""
    if not reference:
        u = rng.randint(2, 15)
        return {"u": u, "v": rng.randint(u + 1, 30)}
    sides = [u for u in range(2, 31) if reference % u == 0 and u * u < reference]
    return {"u": rng.choice(sides), "q": reference} if sides else None


def polygon_sides(rng: Random, reference: int) -> Numbers | None:
    """It can only stand first, so `reference` is not used."""
    return {"n": rng.randint(4, 40)}


def triangular_index(rng: Random, reference: int) -> Numbers | None:
    """It can only stand first, so `reference` is not used."""
    return {"n": rng.randint(3, 40)}


def missing_mean(rng: Random, reference: int) -> Numbers | None:
    """The reference is the mean; the number that is asked for is positive."""
    m = reference or rng.randint(4, 99)
    if m < 2:
        return None
    a = rng.randint(1, 2 * m - 2)
    return {"m": m, "a": a, "b": rng.randint(1, min(3 * m - a - 1, 2 * m))}


def gcd_lcm(rng: Random, reference: int) -> Numbers | None:
    """The reference is the greatest common divisor; its two cofactors are coprime."""
    i, j = rng.choice(COPRIME)
    g = reference or rng.randint(2, 25)
    if reference * i * j > GREATEST_DRAWN:
        i, j = rng.choice(((2, 3), (3, 2)))
    return {"g": g, "i": i, "j": j} if g * i * j <= GREATEST_DRAWN else None


def bag_size(rng: Random, reference: int) -> Numbers | None:
    """The reference is the number of red balls, a multiple of the numerator; the probability is in lowest terms."""
    if not reference:
        q = rng.randint(3, 12)
        p = rng.choice([p for p in range(1, q) if gcd(p, q) == 1])
        return {"z": rng.randint(2, 40), "p": p, "q": q}
    p = rng.choice([p for p in range(1, 12) if reference % p == 0])
    return {"p": p, "q": rng.choice([q for q in range(p + 1, 13) if gcd(p, q) == 1]), "r": reference}


def consecutive(rng: Random, reference: int) -> Numbers | None:
    """The reference is the sum, so the count must be one for which the first integer is a positive integer."""
    if not reference:
        return {"k": rng.randint(2, 9), "v": rng.randint(1, 99)}
    fitting = [k for k in range(2, 10) if (reference - k * (k - 1) // 2) % k == 0 and 2 * reference > k * (k - 1)]
    return {"k": rng.choice(fitting), "s": reference} if fitting else None


def square_difference(rng: Random, reference: int) -> Numbers | None:
    """The reference is the difference of the two numbers, not that of their squares."""
    d = reference or rng.randint(1, 15)
    room = (GREATEST_DRAWN // d - d) // 2
    return {"y": rng.randint(1, min(room, 45 if d < 10 else 20)), "d": d} if room > 0 else None
