"""How the numbers of each family are drawn: freely for a first step, or so that they fit the value of the step before.

Every function takes a generator and that value (0: none), and gives a `Drawn`, or None where no numbers fit. The idea and
the sums are those of design-first rationales in `LANGUAGE.md`; where the page does not limit the numbers, they are such
that a sum has a factor of one digit, or two small factors of two.
"""

from __future__ import annotations

from math import gcd
from random import Random
from typing import NamedTuple

GREATEST = 1500  # of an operand
PRIMITIVE = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))
TRIPLES = tuple(triple for x, y, h in PRIMITIVE for triple in ((x, y, h), (y, x, h)))
COPRIME = tuple((i, j) for i in range(2, 10) for j in range(2, 10) if gcd(i, j) == 1)


class Drawn(NamedTuple):
    """The numbers of one step: operands, idea ("{}" stands for the name of the step before), sums, value.

    `last` is the sum that gives the value where the others do not.
    """

    value: int
    operands: dict[str, int]
    idea: str
    sums: list[str]
    last: str = ""


def plus(a: int, b: int) -> str:
    return f"{a}+{b}={a + b}"


def minus(a: int, b: int) -> str:
    return f"{a}-{b}={a - b}"


def times(a: int, b: int) -> str:
    return f"{a}*{b}={a * b}"


def over(a: int, b: int) -> str:
    return f"{a}/{b}={a // b}"


def _named(number: int, reference: int) -> str:
    """The number, or the place of the name before its value."""
    return f"{{}}={number}" if reference else str(number)


def larger_root(rng: Random, reference: int) -> Drawn | None:
    if not reference:
        r = rng.randint(1, 15)
        v = rng.randint(r + 1, 30 if rng.random() < 0.4 else 16)
        return Drawn(v, {"s": r + v, "p": r * v}, f"roots {r} and {v}", [plus(r, v), times(r, v)])
    if not 3 <= reference <= 60:
        return None
    r = rng.randint(1, min((reference - 1) // 2, 15))
    v = reference - r
    idea = f"root {r} of sum {{}}={reference}"
    return Drawn(v, {"s": reference, "p": r * v}, idea, [minus(reference, r), times(r, v)])


def quotient(rng: Random, reference: int) -> Drawn | None:
    v, d = rng.randint(2, 12), reference or rng.randint(2, 99)
    if d < 13 and (reference or rng.random() < 0.5):
        v = rng.randint(2, 99)
    elif not reference and rng.random() < 0.5:
        v, d = d, v
    if d < 2 or v * d > GREATEST:
        return None
    return Drawn(v, {"n": v * d, "d": d}, f"{v} rows of {_named(d, reference)}", [times(v, d)])


def _scaled(rng: Random, reference: int) -> tuple[int, int, int, int] | None:
    """A primitive triple x, y, h and its multiple z; the first leg is the reference."""
    if not reference:
        x, y, h = rng.choice(TRIPLES)
        return x, y, h, rng.randint(1, min(15, 150 // max(x, y)))
    fitting = [t for t in TRIPLES if reference % t[0] == 0 and reference // t[0] * t[2] <= 450]
    return (*(chosen := rng.choice(fitting)), reference // chosen[0]) if fitting else None


def hypotenuse(rng: Random, reference: int) -> Drawn | None:
    if (found := _scaled(rng, reference)) is None:
        return None
    x, y, h, z = found
    operands = {"a": z * x, "b": z * y}
    if reference:
        idea, first = f"hypotenuse of {x}, {y}, {h} with leg {{}}={reference}", over(reference, x)
    else:
        idea, first = f"hypotenuse of {z} times {x}, {y}, {h}", times(z, x)
    return Drawn(z * h, operands, idea, [first, times(z, y)], times(z, h))


def other_leg(rng: Random, reference: int) -> Drawn | None:
    if (found := _scaled(rng, reference)) is None:
        return None
    x, y, h, z = found
    operands = {"a": z * x, "c": z * h}
    if reference:
        idea, first = f"leg of {x}, {y}, {h} with leg {{}}={reference}", over(reference, x)
    else:
        idea, first = f"leg of {z} times {x}, {y}, {h}", times(z, x)
    return Drawn(z * y, operands, idea, [first, times(z, h)], times(z, y))


def common_difference(rng: Random, reference: int) -> Drawn | None:
    a = reference or rng.randint(1, 120)
    k, v = rng.randint(4, 12), rng.randint(2, rng.choice((12, 30, 60)))
    g = (k - 1) * v
    operands = {"a": a, "k": k, "t": a + g}
    return Drawn(v, operands, f"{k} terms from {_named(a, reference)} by {v}", [times(k - 1, v), plus(a, g)])


def midpoint(rng: Random, reference: int) -> Drawn | None:
    a, h = reference or rng.randint(1, 150), rng.randint(2, 99)
    idea = f"steps of {h} from {_named(a, reference)}"
    return Drawn(a + h, {"a": a, "b": a + 2 * h}, idea, [plus(h, h), plus(a, 2 * h)], plus(a, h))


def common_ratio(rng: Random, reference: int) -> Drawn | None:
    v = rng.randint(2, 12)
    a = reference or rng.randint(2, 99 if v < 4 else 20)
    if a > 20:
        v = rng.randint(2, 3)
    if a * v * v > GREATEST:
        return None
    return Drawn(v, {"a": a, "c": v * v * a}, f"ratio {v} from {_named(a, reference)}", [times(v, v), times(v * v, a)])


def square_side(rng: Random, reference: int) -> Drawn | None:
    if reference:
        j = rng.randint(2, 9 if reference <= 20 else 4)
        b = reference * j * j
        if b > GREATEST:
            return None
        sums = [times(j, j), times(reference, j * j)]
        idea = f"{{}}={reference} times the square of {j}"
        return Drawn(reference * j, {"a": reference, "b": b}, idea, sums, times(reference, j))
    m, (i, j) = rng.randint(2, 12), rng.sample(range(1, 10), 2)
    sums = [times(i, i), times(m, i * i), times(j, j), times(m, j * j)]
    operands, idea = {"a": m * i * i, "b": m * j * j}, f"{m} times the squares of {i} and {j}"
    return Drawn(m * i * j, operands, idea, sums, f"{times(i, j)}; {times(m, i * j)}")


def linear(rng: Random, reference: int) -> Drawn | None:
    a, v, b = rng.randint(2, 12), rng.randint(2, rng.choice((20, 60))), reference or rng.randint(1, 150)
    w = a * v
    operands, idea = {"a": a, "b": b, "c": w + b}, f"solution {v} of {a}x + {_named(b, reference)}"
    return Drawn(v, operands, idea, [times(a, v), plus(w, b)])


def sum_difference(rng: Random, reference: int) -> Drawn | None:
    y, d = rng.randint(2, 99), reference or rng.randint(1, 99)
    v = y + d
    return Drawn(v, {"d": d, "s": y + v}, f"{y} and {_named(d, reference)} more", [plus(y, d), plus(y, v)])


def rectangle_side(rng: Random, reference: int) -> Drawn | None:
    if reference:
        sides = [u for u in range(2, 31) if reference % u == 0 and u * u < reference]
        if not sides:
            return None
        u = rng.choice(sides)
        v = reference // u
        idea, first = f"side {u} of area {{}}={reference}", over(reference, u)
    else:
        u = rng.randint(2, 15)
        v = rng.randint(u + 1, 30)
        idea, first = f"sides {u} and {v}", times(u, v)
    h = u + v
    return Drawn(v, {"q": u * v, "p": h + h}, idea, [first, plus(u, v), plus(h, h)])


def polygon_sides(rng: Random, reference: int) -> Drawn | None:
    n = rng.randint(4, 40)
    f = n * (n - 3)
    return Drawn(n, {"d": f // 2}, f"{n} sides", [minus(n, 3), times(n, n - 3), over(f, 2)])


def triangular_index(rng: Random, reference: int) -> Drawn | None:
    n = rng.randint(3, 40)
    f = n * (n + 1)
    return Drawn(n, {"t": f // 2}, f"integers up to {n}", [plus(n, 1), times(n, n + 1), over(f, 2)])


def missing_mean(rng: Random, reference: int) -> Drawn | None:
    m = reference or rng.randint(4, 99)
    if m < 2:
        return None
    a = rng.randint(1, 2 * m - 2)
    b = rng.randint(1, min(3 * m - a - 1, 2 * m))
    w = 3 * m
    idea = f"mean {_named(m, reference)} of {a}, {b} and another"
    return Drawn(w - a - b, {"a": a, "b": b, "m": m}, idea, [times(3, m), minus(w, a), minus(w - a, b)])


def gcd_lcm(rng: Random, reference: int) -> Drawn | None:
    i, j = rng.choice(COPRIME)
    g = reference or rng.randint(2, 25)
    if reference * i * j > GREATEST:
        i, j = rng.choice(((2, 3), (3, 2)))
    a = g * i
    if a * j > GREATEST:
        return None
    idea = f"{_named(g, reference)} times the coprime {i} and {j}"
    return Drawn(g * j, {"g": g, "l": a * j, "a": a}, idea, [times(g, i), times(a, j)], times(g, j))


def bag_size(rng: Random, reference: int) -> Drawn | None:
    if reference:
        p = rng.choice([p for p in range(1, 12) if reference % p == 0])
        q = rng.choice([q for q in range(p + 1, 13) if gcd(p, q) == 1])
        idea, first, z = f"{p} of {q} with {{}}={reference} red", over(reference, p), reference // p
    else:
        q = rng.randint(3, 12)
        p = rng.choice([p for p in range(1, q) if gcd(p, q) == 1])
        z = rng.randint(2, 40)
        idea, first = f"{z} times {p} of {q}", times(z, p)
    return Drawn(z * q, {"r": z * p, "p": p, "q": q}, idea, [first], times(z, q))


def consecutive(rng: Random, reference: int) -> Drawn | None:
    if reference:
        fitting = [k for k in range(2, 10) if (reference - k * (k - 1) // 2) % k == 0 and 2 * reference > k * (k - 1)]
        if not fitting:
            return None
        k = rng.choice(fitting)
        c = k * (k - 1) // 2
        v = (reference - c) // k
        return Drawn(v, {"k": k, "s": reference}, f"{k} integers of sum {{}}={reference}", [minus(reference, c), over(k * v, k)])
    k, v = rng.randint(2, 9), rng.randint(1, 99)
    w, c = k * v, k * (k - 1) // 2
    return Drawn(v, {"k": k, "s": w + c}, f"{k} integers from {v}", [times(k, v), plus(w, c)])


def square_difference(rng: Random, reference: int) -> Drawn | None:
    d = reference or rng.randint(1, 15)
    room = (GREATEST // d - d) // 2
    if room < 1:
        return None
    y = rng.randint(1, min(room, 45 if d < 10 else 20))
    v = y + d
    w = y + v
    return Drawn(v, {"d": d, "n": d * w}, f"squares of {y} and {_named(d, reference)} more", [plus(y, d), plus(y, v), times(d, w)])
