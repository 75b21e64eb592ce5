"""The operations of the nano world: wordings, ranges of the literals, domain, exact value, concepts.

The table follows `LANGUAGE.md`. How a value is reached in small steps is left to `solutions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nano.arithmetic import factors

Values = Mapping[str, int]


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    `slot` may hold a reference ("": only the first step has this operation) from `minimum` up, in training up to `cap`.
    `spoilt` are operands that break the domain, for the judges' planted defects.
    """

    key: str
    wordings: tuple[str, str]
    concepts: tuple[str, ...]
    ranges: Mapping[str, Sequence[int]]
    value: Callable[[Values], int]
    slot: str = ""
    minimum: int = 0
    cap: int = 999
    valid: Callable[[Values], bool] = lambda values: True
    setup: str = ""
    spoilt: Mapping[str, int] = field(default_factory=dict)

    def least(self, values: Values) -> int:
        """The least value that the slot accepts, given the other operands."""
        return values["k"] if self.key == "choose" else self.minimum


def _polynomial_roots(values: Values) -> bool:
    return values["b"] ** 2 > 4 * values["c"]


def _probability(values: Values) -> int:
    total = values["a"] + values["b"]
    return (values["a"] + total) // math.gcd(values["a"], total)


def _arithmetic_sum(values: Values) -> int:
    return values["k"] * (2 * values["a"] + (values["k"] - 1) * values["d"]) // 2


def _geometric_sum(values: Values) -> int:
    return sum(values["a"] * values["r"] ** i for i in range(values["k"]))


def _trailing_zeros(values: Values) -> int:
    return sum(values["n"] // 5**i for i in range(1, 14))


def _number_of_divisors(values: Values) -> int:
    primes = factors(values["n"])
    return math.prod(primes.count(p) + 1 for p in dict.fromkeys(primes))


NUMBER_THEORY = (
    Operation(
        "divisors",
        ("the number of positive divisors of {n:c}", "the number of positive integers that divide {n:c}"),
        ("number of divisors", "prime factorization", "divisor functions"),
        {"n": range(12, 201)},
        _number_of_divisors,
        "n",
        1,
        200,
        spoilt={"n": 0},
    ),
    Operation(
        "prime_sum",
        ("the sum of the distinct prime factors of {n:c}", "the sum of the different primes that divide {n:c}"),
        ("prime factors", "prime factorization", "prime numbers"),
        {"n": range(6, 151)},
        lambda v: sum(dict.fromkeys(factors(v["n"]))),
        "n",
        2,
        200,
        spoilt={"n": 1},
    ),
    Operation(
        "digit_sum",
        ("the sum of the digits of {n:c}", "the digit sum of {n:c}"),
        ("digit sums", "decimal representation"),
        {"n": range(100, 10000)},
        lambda v: sum(int(digit) for digit in str(v["n"])),
        "n",
    ),
    Operation(
        "power_mod",
        ("the remainder when {a}^{k:t} is divided by {m}", "the value of {a}^{k:t} modulo {m}"),
        ("modular exponentiation", "modular arithmetic", "cycles of powers"),
        {"a": range(2, 10), "k": range(2, 13), "m": range(3, 14)},
        lambda v: pow(v["a"], v["k"], v["m"]),
        "k",
        1,
        15,
        spoilt={"m": 1},
    ),
    Operation(
        "remainder",
        ("the remainder when {n:c} is divided by {m}", "the residue of {n:c} modulo {m}"),
        ("remainders", "modular arithmetic", "division with remainder"),
        {"n": range(50, 1000), "m": range(3, 13)},
        lambda v: v["n"] % v["m"],
        "n",
        spoilt={"m": 0},
    ),
    Operation(
        "gcd",
        (
            "the greatest common divisor of {a:c} and {b:c}",
            "the largest integer that divides both {a:c} and {b:c}",
        ),
        ("greatest common divisor", "Euclidean algorithm", "divisibility"),
        {"a": range(12, 121), "b": range(12, 121)},
        lambda v: math.gcd(v["a"], v["b"]),
        "a",
        1,
        200,
        spoilt={"b": 0},
    ),
    Operation(
        "lcm",
        (
            "the least common multiple of {a:c} and {b:c}",
            "the smallest positive integer that both {a:c} and {b:c} divide",
        ),
        ("least common multiple", "divisibility", "prime factorization"),
        {"a": range(4, 21), "b": range(4, 21)},
        lambda v: math.lcm(v["a"], v["b"]),
        "a",
        1,
        60,
        spoilt={"b": 0},
    ),
    Operation(
        "multiples",
        (
            "the number of positive multiples of {d} that are at most {n:c}",
            "the number of integers from 1 to {n:c} that are divisible by {d}",
        ),
        ("counting multiples", "floor function", "divisibility"),
        {"d": range(3, 13), "n": range(30, 301)},
        lambda v: v["n"] // v["d"],
        "n",
        1,
        spoilt={"d": 0},
    ),
    Operation(
        "zeros",
        ("the number of trailing zeros of {n:t}!", "the number of zeros at the end of {n:t}!"),
        ("trailing zeros", "factorials", "Legendre's formula"),
        {"n": range(10, 131)},
        _trailing_zeros,
        "n",
        0,
        200,
    ),
    Operation(
        "floor_sqrt",
        ("the largest integer whose square is at most {n:c}", "the integer part of the square root of {n:c}"),
        ("square roots", "floor function", "perfect squares"),
        {"n": range(20, 901)},
        lambda v: math.isqrt(v["n"]),
        "n",
    ),
)

COUNTING = (
    Operation(
        "choose",
        (
            "the number of ways to choose {k} books from {n} different books",
            "the binomial coefficient C({n}, {k})",
        ),
        ("binomial coefficients", "combinations", "counting principles"),
        {"k": range(2, 4), "n": range(5, 11)},
        lambda v: math.comb(v["n"], v["k"]),
        "n",
        2,
        16,
        spoilt={"n": 1},
    ),
    Operation(
        "subsets",
        ("the number of subsets of a set with {n} elements", "the number of ways to answer {n} yes-or-no questions"),
        ("subsets", "powers of two", "counting principles"),
        {"n": range(3, 9)},
        lambda v: 2 ** v["n"],
    ),
    Operation(
        "diagonals",
        (
            "the number of diagonals of a convex polygon with {n} sides",
            "the number of diagonals of a convex polygon with {n} vertices",
        ),
        ("diagonals of polygons", "convex polygons", "combinations"),
        {"n": range(5, 21)},
        lambda v: v["n"] * (v["n"] - 3) // 2,
        "n",
        3,
        30,
        spoilt={"n": 2},
    ),
    Operation(
        "handshakes",
        (
            "the number of handshakes when each of {n} people shakes hands once with every other",
            "the number of games when each of {n} teams plays once against every other",
        ),
        ("pairs in a group", "graph edges", "combinations"),
        {"n": range(5, 21)},
        lambda v: v["n"] * (v["n"] - 1) // 2,
        "n",
        2,
        30,
        spoilt={"n": 1},
    ),
    Operation(
        "probability",
        (
            "p + q, where p/q is the probability in lowest terms that the ball is red",
            "the sum of numerator and denominator of the probability in lowest terms that the ball is red",
        ),
        ("probability", "lowest terms", "equally likely outcomes"),
        {"a": range(2, 13), "b": range(2, 13)},
        _probability,
        "a",
        1,
        60,
        setup="A bag holds {a} red balls and {b} blue balls, and one ball is drawn at random.",
        spoilt={"b": 0},
    ),
    Operation(
        "median",
        ("the median of {a:c}, {b:c} and {c}", "the middle one of the numbers {a:c}, {b:c} and {c} by size"),
        ("medians", "order statistics", "comparing numbers"),
        {"a": range(10, 100), "b": range(10, 100), "c": range(10, 100)},
        lambda v: sorted(v.values())[1],
        "a",
        0,
        300,
        valid=lambda v: len(set(v.values())) == 3,
    ),
)

ALGEBRA = (
    Operation(
        "triangular",
        ("the sum of the first {n} positive integers", "the {n}th triangular number"),
        ("triangular numbers", "sums of integers", "arithmetic series"),
        {"n": range(5, 31)},
        lambda v: v["n"] * (v["n"] + 1) // 2,
        "n",
        1,
        40,
        spoilt={"n": 0},
    ),
    Operation(
        "arith_sum",
        (
            "the sum of the first {k} terms of the arithmetic sequence with first term {a} and common difference {d}",
            "the sum of the arithmetic sequence that starts at {a}, has common difference {d} and has {k} terms",
        ),
        ("arithmetic sequences", "arithmetic series", "common differences"),
        {"k": range(4, 11), "a": range(1, 10), "d": range(2, 7)},
        _arithmetic_sum,
        "a",
        0,
        90,
        spoilt={"k": 0},
    ),
    Operation(
        "geo_sum",
        (
            "the sum of the first {k} terms of the geometric sequence with first term {a} and common ratio {r}",
            "the sum of the geometric sequence that starts at {a}, has common ratio {r} and has {k} terms",
        ),
        ("geometric sequences", "geometric series", "common ratios"),
        {"k": range(3, 6), "a": range(1, 6), "r": range(2, 4)},
        _geometric_sum,
        "a",
        1,
        60,
        spoilt={"k": 0},
    ),
    Operation(
        "poly_value",
        ("P({x})", "the value of P at x = {x}"),
        ("polynomial evaluation", "quadratic polynomials", "functions"),
        {"b": range(2, 10), "c": range(1, 10), "x": range(2, 13)},
        lambda v: v["x"] ** 2 + v["b"] * v["x"] + v["c"],
        "x",
        0,
        28,
        setup="Let P(x) = x^2 + {b}x + {c}.",
    ),
    Operation(
        "roots_sum",
        (
            "the sum of the roots of x^2 - {b:t}x + {c} = 0",
            "the sum of the solutions of x^2 - {b:t}x + {c} = 0",
        ),
        ("Vieta's formulas", "sums of roots", "quadratic equations"),
        {"b": range(4, 41), "c": range(1, 4)},
        lambda v: v["b"],
        "b",
        4,
        300,
        valid=_polynomial_roots,
        spoilt={"b": 1},
    ),
    Operation(
        "roots_squares",
        (
            "the sum of the squares of the roots of x^2 - {b:t}x + {c} = 0",
            "the sum of the squares of the solutions of x^2 - {b:t}x + {c} = 0",
        ),
        ("Vieta's formulas", "symmetric functions of roots", "quadratic equations"),
        {"b": range(4, 17), "c": range(1, 4)},
        lambda v: v["b"] ** 2 - 2 * v["c"],
        "b",
        4,
        31,
        valid=_polynomial_roots,
        spoilt={"b": 1},
    ),
)

GEOMETRY = (
    Operation(
        "grid_points",
        (
            "the number of lattice points (x, y) with 0 <= x <= {a} and 0 <= y <= {b}",
            "the number of points with integer coordinates in the rectangle from (0, 0) to ({a}, {b})",
        ),
        ("lattice points", "counting principles", "coordinate geometry"),
        {"a": range(3, 16), "b": range(3, 16)},
        lambda v: (v["a"] + 1) * (v["b"] + 1),
        "a",
        0,
        90,
    ),
    Operation(
        "segment_points",
        (
            "the number of lattice points on the segment from (0, 0) to ({a}, {b})",
            "the number of points with integer coordinates on the segment from (0, 0) to ({a}, {b})",
        ),
        ("lattice points", "points on a segment", "greatest common divisor"),
        {"a": range(6, 61), "b": range(6, 61)},
        lambda v: math.gcd(v["a"], v["b"]) + 1,
        "a",
        1,
        200,
        spoilt={"b": 0},
    ),
    Operation(
        "triangle_area",
        (
            "the area of a right triangle with legs {a} and {b}",
            "the area of the triangle with vertices (0, 0), ({a}, 0) and (0, {b})",
        ),
        ("areas of triangles", "right triangles", "coordinate geometry"),
        {"a": range(3, 21), "b": range(4, 21, 2)},
        lambda v: v["a"] * v["b"] // 2,
        "a",
        1,
        200,
        spoilt={"b": 0},
    ),
    Operation(
        "distance_squared",
        (
            "the square of the distance from (0, 0) to ({a}, {b})",
            "the squared length of the segment from (0, 0) to ({a}, {b})",
        ),
        ("distance formula", "Pythagorean theorem", "coordinate geometry"),
        {"a": range(2, 13), "b": range(2, 13)},
        lambda v: v["a"] ** 2 + v["b"] ** 2,
        "a",
        0,
        30,
    ),
)

OPERATIONS = NUMBER_THEORY + COUNTING + ALGEBRA + GEOMETRY
BY_KEY = {operation.key: operation for operation in OPERATIONS}
