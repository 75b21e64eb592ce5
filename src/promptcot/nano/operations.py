"""The operations of the nano world as one table: wordings, domain, value and concepts of each.

The wordings are exactly those of `nano/LANGUAGE.md`, the only thing this package shares with the code that writes
problems. `reading` matches wordings, `checker` decides whether a chain of operations is valid.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from promptcot.nano import arithmetic


def _anything(**_: int) -> bool:
    return True


@dataclass(frozen=True)
class Operation:
    """One operation; `domain` and `value` take the operands by the names of their slots.

    `reference` is the slot that may hold the previous step's value, or None if the operation can only come first.
    `setup` is the sentence required right before the phrase, or None. `value` is exact up to `arithmetic.LIMIT` and
    arbitrary above it.
    """

    name: str
    wordings: tuple[str, ...]
    concepts: tuple[str, ...]
    reference: str | None
    value: Callable[..., int | Fraction]
    domain: Callable[..., bool] = _anything
    setup: str | None = None


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "divisors",
        ("the number of positive divisors of {n}", "the number of positive integers that divide {n}"),
        ("number of divisors", "prime factorization", "divisor functions"),
        reference="n",
        domain=lambda n: n >= 1,
        value=lambda n: arithmetic.count_divisors(n),
    ),
    Operation(
        "prime_sum",
        ("the sum of the distinct prime factors of {n}", "the sum of the different primes that divide {n}"),
        ("prime factors", "prime factorization", "prime numbers"),
        reference="n",
        domain=lambda n: n >= 2,
        value=lambda n: sum(arithmetic.prime_factors(n)),
    ),
    Operation(
        "digit_sum",
        ("the sum of the digits of {n}", "the digit sum of {n}"),
        ("digit sums", "decimal representation"),
        reference="n",
        value=lambda n: sum(int(digit) for digit in str(n)),
    ),
    Operation(
        "power_mod",
        ("the remainder when {a}^{k} is divided by {m}", "the value of {a}^{k} modulo {m}"),
        ("modular exponentiation", "modular arithmetic", "cycles of powers"),
        reference="k",
        domain=lambda a, k, m: a >= 1 and k >= 0 and m >= 2,
        value=lambda a, k, m: pow(a, k, m),
    ),
    Operation(
        "remainder",
        ("the remainder when {n} is divided by {m}", "the residue of {n} modulo {m}"),
        ("remainders", "modular arithmetic", "division with remainder"),
        reference="n",
        domain=lambda n, m: m >= 2,
        value=lambda n, m: n % m,
    ),
    Operation(
        "gcd",
        ("the greatest common divisor of {a} and {b}", "the largest integer that divides both {a} and {b}"),
        ("greatest common divisor", "Euclidean algorithm", "divisibility"),
        reference="a",
        domain=lambda a, b: a >= 1 and b >= 1,
        value=lambda a, b: math.gcd(a, b),
    ),
    Operation(
        "lcm",
        (
            "the least common multiple of {a} and {b}",
            "the smallest positive integer that both {a} and {b} divide",
        ),
        ("least common multiple", "divisibility", "prime factorization"),
        reference="a",
        domain=lambda a, b: a >= 1 and b >= 1,
        value=lambda a, b: math.lcm(a, b),
    ),
    Operation(
        "multiples",
        (
            "the number of positive multiples of {d} that are at most {n}",
            "the number of integers from 1 to {n} that are divisible by {d}",
        ),
        ("counting multiples", "floor function", "divisibility"),
        reference="n",
        domain=lambda d, n: d >= 1 and n >= 1,
        value=lambda d, n: n // d,
    ),
    Operation(
        "zeros",
        ("the number of trailing zeros of {n}!", "the number of zeros at the end of {n}!"),
        ("trailing zeros", "factorials", "Legendre's formula"),
        reference="n",
        value=lambda n: arithmetic.trailing_zeros(n),
    ),
    Operation(
        "choose",
        ("the number of ways to choose {k} books from {n} different books", "the binomial coefficient C({n}, {k})"),
        ("binomial coefficients", "combinations", "counting principles"),
        reference="n",
        domain=lambda n, k: k <= n,
        value=lambda n, k: arithmetic.choose(n, k),
    ),
    Operation(
        "subsets",
        ("the number of subsets of a set with {n} elements", "the number of ways to answer {n} yes-or-no questions"),
        ("subsets", "powers of two", "counting principles"),
        reference=None,
        value=lambda n: arithmetic.power_of_two(n),
    ),
    Operation(
        "diagonals",
        (
            "the number of diagonals of a convex polygon with {n} sides",
            "the number of diagonals of a convex polygon with {n} vertices",
        ),
        ("diagonals of polygons", "convex polygons", "combinations"),
        reference="n",
        domain=lambda n: n >= 3,
        value=lambda n: n * (n - 3) // 2,
    ),
    Operation(
        "handshakes",
        (
            "the number of handshakes when each of {n} people shakes hands once with every other",
            "the number of games when each of {n} teams plays once against every other",
        ),
        ("pairs in a group", "graph edges", "combinations"),
        reference="n",
        domain=lambda n: n >= 2,
        value=lambda n: n * (n - 1) // 2,
    ),
    Operation(
        "triangular",
        ("the sum of the first {n} positive integers", "the {n}th triangular number"),
        ("triangular numbers", "sums of integers", "arithmetic series"),
        reference="n",
        domain=lambda n: n >= 1,
        value=lambda n: n * (n + 1) // 2,
    ),
    Operation(
        "arith_sum",
        (
            "the sum of the first {k} terms of the arithmetic sequence with first term {a} and common difference {d}",
            "the sum of the arithmetic sequence that starts at {a}, has common difference {d} and has {k} terms",
        ),
        ("arithmetic sequences", "arithmetic series", "common differences"),
        reference="a",
        domain=lambda a, d, k: k >= 1,
        value=lambda a, d, k: arithmetic.arithmetic_sum(a, d, k),
    ),
    Operation(
        "geo_sum",
        (
            "the sum of the first {k} terms of the geometric sequence with first term {a} and common ratio {r}",
            "the sum of the geometric sequence that starts at {a}, has common ratio {r} and has {k} terms",
        ),
        ("geometric sequences", "geometric series", "common ratios"),
        reference="a",
        domain=lambda a, r, k: a >= 1 and r >= 1 and k >= 1,
        value=lambda a, r, k: arithmetic.geometric_sum(a, r, k),
    ),
    Operation(
        "poly_value",
        ("P({x})", "the value of P at x = {x}"),
        ("polynomial evaluation", "quadratic polynomials", "functions"),
        reference="x",
        setup="Let P(x) = x^2 + {b}x + {c}.",
        value=lambda b, c, x: x * x + b * x + c,
    ),
    Operation(
        "roots_sum",
        ("the sum of the roots of x^2 - {b}x + {c} = 0", "the sum of the solutions of x^2 - {b}x + {c} = 0"),
        ("Vieta's formulas", "sums of roots", "quadratic equations"),
        reference="b",
        domain=lambda b, c: b >= 1 and b * b > 4 * c,
        value=lambda b, c: b,
    ),
    Operation(
        "roots_squares",
        (
            "the sum of the squares of the roots of x^2 - {b}x + {c} = 0",
            "the sum of the squares of the solutions of x^2 - {b}x + {c} = 0",
        ),
        ("Vieta's formulas", "symmetric functions of roots", "quadratic equations"),
        reference="b",
        domain=lambda b, c: b >= 1 and b * b > 4 * c,
        value=lambda b, c: b * b - 2 * c,
    ),
    Operation(
        "floor_sqrt",
        ("the largest integer whose square is at most {n}", "the integer part of the square root of {n}"),
        ("square roots", "floor function", "perfect squares"),
        reference="n",
        value=lambda n: math.isqrt(n),
    ),
    Operation(
        "grid_points",
        (
            "the number of lattice points (x, y) with 0 <= x <= {a} and 0 <= y <= {b}",
            "the number of points with integer coordinates in the rectangle from (0, 0) to ({a}, {b})",
        ),
        ("lattice points", "counting principles", "coordinate geometry"),
        reference="a",
        value=lambda a, b: (a + 1) * (b + 1),
    ),
    Operation(
        "segment_points",
        (
            "the number of lattice points on the segment from (0, 0) to ({a}, {b})",
            "the number of points with integer coordinates on the segment from (0, 0) to ({a}, {b})",
        ),
        ("lattice points", "points on a segment", "greatest common divisor"),
        reference="a",
        domain=lambda a, b: a >= 1 and b >= 1,
        value=lambda a, b: math.gcd(a, b) + 1,
    ),
    Operation(
        "triangle_area",
        (
            "the area of a right triangle with legs {a} and {b}",
            "the area of the triangle with vertices (0, 0), ({a}, 0) and (0, {b})",
        ),
        ("areas of triangles", "right triangles", "coordinate geometry"),
        reference="a",
        domain=lambda a, b: a >= 1 and b >= 1,
        value=lambda a, b: Fraction(a * b, 2),
    ),
    Operation(
        "distance_squared",
        (
            "the square of the distance from (0, 0) to ({a}, {b})",
            "the squared length of the segment from (0, 0) to ({a}, {b})",
        ),
        ("distance formula", "Pythagorean theorem", "coordinate geometry"),
        reference="a",
        value=lambda a, b: a * a + b * b,
    ),
    Operation(
        "probability",
        (
            "p + q, where p/q is the probability in lowest terms that the ball is red",
            "the sum of numerator and denominator of the probability in lowest terms that the ball is red",
        ),
        ("probability", "lowest terms", "equally likely outcomes"),
        reference="a",
        setup="A bag holds {a} red balls and {b} blue balls, and one ball is drawn at random.",
        domain=lambda a, b: a >= 1 and b >= 1,
        value=lambda a, b: sum(Fraction(a, a + b).as_integer_ratio()),
    ),
    Operation(
        "median",
        ("the median of {a}, {b} and {c}", "the middle one of the numbers {a}, {b} and {c} by size"),
        ("medians", "order statistics", "comparing numbers"),
        reference="a",
        value=lambda a, b, c: sorted((a, b, c))[1],
    ),
)

CONCEPTS: Mapping[str, tuple[str, ...]] = MappingProxyType({op.name: op.concepts for op in OPERATIONS})
"""The concepts of each operation, by its name."""
