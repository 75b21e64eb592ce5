"""The families of the nano world as one table: wordings, value, reference and concepts of each.

It says what each wording asks for and whether that number exists, as written in `nano/LANGUAGE.md`, the only thing this
package shares with the code that writes problems. `reading` matches the wordings, `checker` judges chains of steps.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

LIMIT = 1_000_000
"""The largest value that a problem of the nano world may hold, as an operand or as a result."""


@dataclass(frozen=True)
class Family:
    """One family of steps.

    `value` takes the operands, each from 1 to `LIMIT`, by the names of their slots, and returns the number that the
    wordings ask for, or None if the hidden constraint fails. `reference` is the slot that holds the value of the step
    before, or None if the family can only stand first.
    """

    name: str
    wordings: tuple[str, ...]
    concepts: tuple[str, ...]
    reference: str | None
    value: Callable[..., int | None]


def _ratio(n: int, d: int) -> int | None:
    """n / d if it is a positive integer."""
    return n // d if n > 0 and n % d == 0 else None


def _root(n: int) -> int | None:
    """The positive integer whose square is `n`."""
    if n < 1:
        return None
    root = math.isqrt(n)
    return root if root * root == n else None


def _larger_solution(total: int, product: int) -> int | None:
    """The larger of two different positive integers with this sum and product."""
    gap = _root(total * total - 4 * product)
    return None if gap is None else _ratio(total + gap, 2)


def _common_difference(a: int, k: int, t: int) -> int | None:
    return _ratio(t - a, k - 1) if k >= 4 else None


def _midpoint(a: int, b: int) -> int | None:
    return _ratio(a + b, 2) if b > a else None


def _common_ratio(a: int, c: int) -> int | None:
    square = _ratio(c, a)
    return None if square is None else _root(square)


def _rectangle_side(q: int, p: int) -> int | None:
    half = _ratio(p, 2)
    return None if half is None else _larger_solution(half, q)


def _polygon_sides(d: int) -> int | None:
    """n with n(n - 3) = 2d: then 8d + 9 = (2n - 3)^2."""
    root = _root(8 * d + 9)
    return None if root is None else _ratio(root + 3, 2)


def _triangular_index(t: int) -> int | None:
    """n with n(n + 1) = 2t: then 8t + 1 = (2n + 1)^2."""
    root = _root(8 * t + 1)
    return None if root is None else _ratio(root - 1, 2)


def _gcd_lcm(g: int, l: int, a: int) -> int | None:  # noqa: E741 - the slot's name in the language
    other = _ratio(g * l, a)
    return other if other and math.gcd(a, other) == g and math.lcm(a, other) == l else None


def _bag_size(r: int, p: int, q: int) -> int | None:
    return _ratio(r * q, p) if q > p else None


def _consecutive(k: int, s: int) -> int | None:
    return _ratio(s - k * (k - 1) // 2, k) if 2 <= k <= 9 else None


def _square_difference(d: int, n: int) -> int | None:
    total = _ratio(n, d)
    return _ratio(total + d, 2) if total is not None and total > d else None


FAMILIES: tuple[Family, ...] = (
    Family(
        "larger_root",
        (
            "the larger root of x^2 - {s}x + {p} = 0",
            "the larger solution of the equation x^2 - {s}x + {p} = 0",
        ),
        ("quadratic equations", "Vieta's formulas", "integer roots"),
        reference="s",
        value=lambda s, p: _larger_solution(total=s, product=p),
    ),
    Family(
        "quotient",
        (
            "the number of rows when {n} chairs stand in rows of {d}",
            "the whole number that gives {n} when multiplied by {d}",
        ),
        ("divisibility", "exact division", "factors"),
        reference="d",
        value=_ratio,
    ),
    Family(
        "hypotenuse",
        (
            "the hypotenuse of a right triangle with legs {a} and {b}",
            "the diagonal of a rectangle with sides {a} and {b}",
        ),
        ("Pythagorean theorem", "right triangles", "Pythagorean triples"),
        reference="a",
        value=lambda a, b: _root(a * a + b * b),
    ),
    Family(
        "other_leg",
        (
            "the other leg of a right triangle with leg {a} and hypotenuse {c}",
            "the other side of a rectangle with side {a} and diagonal {c}",
        ),
        ("Pythagorean theorem", "right triangles", "rectangles"),
        reference="a",
        value=lambda a, c: _root(c * c - a * a),
    ),
    Family(
        "common_difference",
        (
            "the common difference of the arithmetic sequence with first term {a} and {k}th term {t}",
            "the difference between neighbours in the arithmetic sequence that starts at {a} and has {k}th term {t}",
        ),
        ("arithmetic sequences", "common differences", "divisibility"),
        reference="a",
        value=_common_difference,
    ),
    Family(
        "midpoint",
        ("the number halfway between {a} and {b}", "the midpoint of {a} and {b} on the number line"),
        ("midpoints", "arithmetic means", "parity"),
        reference="a",
        value=_midpoint,
    ),
    Family(
        "common_ratio",
        (
            "the positive common ratio of the geometric sequence with first term {a} and third term {c}",
            "the positive ratio of neighbours in the geometric sequence that starts at {a} and has third term {c}",
        ),
        ("geometric sequences", "common ratios", "perfect squares"),
        reference="a",
        value=_common_ratio,
    ),
    Family(
        "square_side",
        (
            "the side of a square with the same area as a rectangle with sides {a} and {b}",
            "the geometric mean of {a} and {b}",
        ),
        ("geometric means", "perfect squares", "areas of rectangles"),
        reference="a",
        value=lambda a, b: _root(a * b),
    ),
    Family(
        "linear",
        ("the solution of {a}x + {b} = {c}", "the number x with {a}x + {b} = {c}"),
        ("linear equations", "inverse operations", "integer solutions"),
        reference="b",
        value=lambda a, b, c: _ratio(c - b, a),
    ),
    Family(
        "sum_difference",
        (
            "the larger of two numbers with difference {d} and sum {s}",
            "the larger of two numbers that differ by {d} and add up to {s}",
        ),
        ("systems of equations", "sums and differences", "parity"),
        reference="d",
        value=lambda d, s: _ratio(s + d, 2) if s > d else None,
    ),
    Family(
        "rectangle_side",
        (
            "the longer side of a rectangle with area {q} and perimeter {p}",
            "the length of a rectangle, longer than wide, with area {q} and perimeter {p}",
        ),
        ("areas of rectangles", "perimeters", "quadratic equations"),
        reference="q",
        value=_rectangle_side,
    ),
    Family(
        "polygon_sides",
        (
            "the number of sides of a convex polygon with {d} diagonals",
            "the number of vertices of a convex polygon with {d} diagonals",
        ),
        ("diagonals of polygons", "convex polygons", "combinations"),
        reference=None,
        value=_polygon_sides,
    ),
    Family(
        "triangular_index",
        (
            "the number of consecutive integers from 1 up whose sum is {t}",
            "the number of rows of a triangle of {t} coins with one coin in the first row and one more in each "
            "further row",
        ),
        ("triangular numbers", "sums of integers", "arithmetic series"),
        reference=None,
        value=_triangular_index,
    ),
    Family(
        "missing_mean",
        (
            "the number whose mean with {a} and {b} is {m}",
            "the third of three numbers with mean {m} when the other two are {a} and {b}",
        ),
        ("arithmetic means", "averages", "sums of integers"),
        reference="m",
        value=lambda a, b, m: _ratio(3 * m - a - b, 1),
    ),
    Family(
        "gcd_lcm",
        (
            "the number that has greatest common divisor {g} and least common multiple {l} with {a}",
            "the other of two numbers with greatest common divisor {g} and least common multiple {l} when one of them "
            "is {a}",
        ),
        ("greatest common divisor", "least common multiple", "coprime numbers"),
        reference="g",
        value=_gcd_lcm,
    ),
    Family(
        "bag_size",
        (
            "the number of balls in a bag with {r} red balls when a ball drawn at random is red with probability "
            "{p}/{q}",
            "the number of tickets in a raffle with {r} winning tickets when a ticket wins with probability {p}/{q}",
        ),
        ("probability", "fractions", "proportions"),
        reference="r",
        value=_bag_size,
    ),
    Family(
        "consecutive",
        (
            "the smallest of {k} consecutive positive integers with sum {s}",
            "the first of {k} consecutive positive integers whose sum is {s}",
        ),
        ("consecutive integers", "sums of integers", "integer solutions"),
        reference="s",
        value=_consecutive,
    ),
    Family(
        "square_difference",
        (
            "the larger of two positive integers that differ by {d} and whose squares differ by {n}",
            "the larger of two positive integers with difference {d} and difference of squares {n}",
        ),
        ("difference of squares", "factoring", "sums and differences"),
        reference="d",
        value=_square_difference,
    ),
)

CONCEPTS: Mapping[str, tuple[str, ...]] = MappingProxyType({family.name: family.concepts for family in FAMILIES})
"""The concepts of each family, by its name."""
