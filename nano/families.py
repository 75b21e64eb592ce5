"""The families of the nano world: wordings, concepts, the slot for a reference, and the value where it exists.

The table follows `LANGUAGE.md`. How numbers are drawn is left to `drawing`, how a value is reached in small steps to
`solutions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd, isqrt, lcm
from random import Random

from nano import drawing
from nano.designing import Drawn, derived

Operands = Mapping[str, int]


@dataclass(frozen=True)
class Family:
    """One row of the table.

    `slot` may hold a reference ("": the family can only stand first); `ideas` are those without and with a reference.
    `solve` gives the value, or None where the hidden constraint fails.
    """

    key: str
    wordings: tuple[str, str]
    concepts: tuple[str, ...]
    slot: str
    ideas: tuple[str, str]
    draw_numbers: Callable[[Random, int], drawing.Numbers | None]
    solve: Callable[[Operands], int | None]

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """The operands' names, in the order of the first wording."""
        return tuple(re.findall(r"{(\w+)}", self.wordings[0]))

    def phrases(self, operands: Mapping[str, int] | Mapping[str, str]) -> tuple[str, ...]:
        """The phrase in each wording."""
        return tuple(wording.format_map(operands) for wording in self.wordings)

    def draw(self, rng: Random, reference: int) -> Drawn | None:
        """Numbers for a first step (`reference` 0), or such as fit the value of the step before, or None."""
        numbers = self.draw_numbers(rng, reference)
        return None if numbers is None else derived(self.key, numbers, reference > 0)

    def idea(self, drawn: Drawn, before: str) -> str:
        """The idea as a rationale has it; `before` is the name of the step before."""
        if not drawn.linked:
            return self.ideas[0].format_map(drawn.numbers)
        return self.ideas[1].format_map({**drawn.numbers, self.slot: f"{before}={drawn.numbers[self.slot]}"})

    def value(self, operands: Operands) -> int | None:
        """The number that the operands ask for, or None where there is no such number."""
        return self.solve(operands) if min(operands.values()) > 0 else None

    def exists(self, operands: Operands) -> bool:
        """Whether the hidden constraint holds and no operand is 0; the limit of the world is not checked."""
        return self.value(operands) is not None

    def spoil(self, operands: Operands, rng: Random) -> dict[str, int] | None:
        """Operands near by, other than the reference's slot, for which there is no such number."""
        slots = [slot for slot in operands if slot != self.slot]
        for reach in (3, 3, 9, 9, 40, 40, *(400,) * 9):
            slot = rng.choice(slots)
            number = operands[slot] + rng.choice((-1, 1)) * rng.randint(1, reach)
            spoilt = {**operands, slot: number}
            if number > 0 and not self.exists(spoilt):
                return spoilt
        return None


def root(n: int) -> int | None:
    """The positive square root of a perfect square, or None."""
    r = isqrt(n) if n > 0 else 0
    return r if r and r * r == n else None


def _exact(n: int, d: int) -> int | None:
    return n // d if n > 0 and n % d == 0 else None


def _half_sum(h: int, e: int | None) -> int | None:
    return (h + e) // 2 if e else None


def _rectangle_side(v: Operands) -> int | None:
    h = v["p"] // 2
    return None if v["p"] % 2 else _half_sum(h, root(h * h - 4 * v["q"]))


def _common_difference(v: Operands) -> int | None:
    return _exact(v["t"] - v["a"], v["k"] - 1) if v["k"] >= 4 else None


def _midpoint(v: Operands) -> int | None:
    return None if v["b"] <= v["a"] else _exact(v["a"] + v["b"], 2)


def _polygon_sides(v: Operands) -> int | None:
    e = root(9 + 8 * v["d"])  # n(n - 3) = 2d
    return (3 + e) // 2 if e else None


def _triangular_index(v: Operands) -> int | None:
    e = root(1 + 8 * v["t"])
    return (e - 1) // 2 if e else None


def _missing_mean(v: Operands) -> int | None:
    rest = 3 * v["m"] - v["a"] - v["b"]
    return rest if rest > 0 else None


def _gcd_lcm(v: Operands) -> int | None:
    other = _exact(v["g"] * v["l"], v["a"])
    return other if other and gcd(v["a"], other) == v["g"] and lcm(v["a"], other) == v["l"] else None


def _consecutive(v: Operands) -> int | None:
    k = v["k"]
    return _exact(v["s"] - k * (k - 1) // 2, k) if 2 <= k <= 9 else None


def _square_difference(v: Operands) -> int | None:
    w = _exact(v["n"], v["d"])
    return _exact(w + v["d"], 2) if w and w > v["d"] else None


FAMILIES = (
    Family(
        "larger_root",
        (
            "the larger root of x^2 - {s}x + {p} = 0",
            "the larger solution of the equation x^2 - {s}x + {p} = 0",
        ),
        ("quadratic equations", "Vieta's formulas", "integer roots"),
        "s",
        ("roots {r} and {v}", "root {r} of sum {s}"),
        drawing.larger_root,
        lambda v: _half_sum(v["s"], root(v["s"] ** 2 - 4 * v["p"])),
    ),
    Family(
        "quotient",
        (
            "the number of rows when {n} chairs stand in rows of {d}",
            "the whole number that gives {n} when multiplied by {d}",
        ),
        ("divisibility", "exact division", "factors"),
        "d",
        ("{v} rows of {d}", "{v} rows of {d}"),
        drawing.quotient,
        lambda v: _exact(v["n"], v["d"]),
    ),
    Family(
        "hypotenuse",
        (
            "the hypotenuse of a right triangle with legs {a} and {b}",
            "the diagonal of a rectangle with sides {a} and {b}",
        ),
        ("Pythagorean theorem", "right triangles", "Pythagorean triples"),
        "a",
        ("hypotenuse of {z} times {x}, {y}, {h}", "hypotenuse of {x}, {y}, {h} with leg {a}"),
        drawing.right_triangle,
        lambda v: root(v["a"] ** 2 + v["b"] ** 2),
    ),
    Family(
        "other_leg",
        (
            "the other leg of a right triangle with leg {a} and hypotenuse {c}",
            "the other side of a rectangle with side {a} and diagonal {c}",
        ),
        ("Pythagorean theorem", "right triangles", "rectangles"),
        "a",
        ("leg of {z} times {x}, {y}, {h}", "leg of {x}, {y}, {h} with leg {a}"),
        drawing.right_triangle,
        lambda v: root(v["c"] ** 2 - v["a"] ** 2),
    ),
    Family(
        "common_difference",
        (
            "the common difference of the arithmetic sequence with first term {a} and {k}th term {t}",
            "the difference between neighbours in the arithmetic sequence that starts at {a} and has {k}th term {t}",
        ),
        ("arithmetic sequences", "common differences", "divisibility"),
        "a",
        ("{k} terms from {a} by {v}", "{k} terms from {a} by {v}"),
        drawing.common_difference,
        _common_difference,
    ),
    Family(
        "midpoint",
        (
            "the number halfway between {a} and {b}",
            "the midpoint of {a} and {b} on the number line",
        ),
        ("midpoints", "arithmetic means", "parity"),
        "a",
        ("steps of {h} from {a}", "steps of {h} from {a}"),
        drawing.midpoint,
        _midpoint,
    ),
    Family(
        "common_ratio",
        (
            "the positive common ratio of the geometric sequence with first term {a} and third term {c}",
            "the positive ratio of neighbours in the geometric sequence that starts at {a} and has third term {c}",
        ),
        ("geometric sequences", "common ratios", "perfect squares"),
        "a",
        ("ratio {v} from {a}", "ratio {v} from {a}"),
        drawing.common_ratio,
        lambda v: root(_exact(v["c"], v["a"]) or 0),
    ),
    Family(
        "square_side",
        (
            "the side of a square with the same area as a rectangle with sides {a} and {b}",
            "the geometric mean of {a} and {b}",
        ),
        ("geometric means", "perfect squares", "areas of rectangles"),
        "a",
        ("{m} times the squares of {i} and {j}", "{a} times the square of {j}"),
        drawing.square_side,
        lambda v: root(v["a"] * v["b"]),
    ),
    Family(
        "linear",
        ("the solution of {a}x + {b} = {c}", "the number x with {a}x + {b} = {c}"),
        ("linear equations", "inverse operations", "integer solutions"),
        "b",
        ("solution {v} of {a}x + {b}", "solution {v} of {a}x + {b}"),
        drawing.linear,
        lambda v: _exact(v["c"] - v["b"], v["a"]),
    ),
    Family(
        "sum_difference",
        (
            "the larger of two numbers with difference {d} and sum {s}",
            "the larger of two numbers that differ by {d} and add up to {s}",
        ),
        ("systems of equations", "sums and differences", "parity"),
        "d",
        ("{y} and {d} more", "{y} and {d} more"),
        drawing.sum_difference,
        lambda v: _exact(v["s"] + v["d"], 2) if v["s"] > v["d"] else None,
    ),
    Family(
        "rectangle_side",
        (
            "the longer side of a rectangle with area {q} and perimeter {p}",
            "the length of a rectangle, longer than wide, with area {q} and perimeter {p}",
        ),
        ("areas of rectangles", "perimeters", "quadratic equations"),
        "q",
        ("sides {u} and {v}", "side {u} of area {q}"),
        drawing.rectangle_side,
        _rectangle_side,
    ),
    Family(
        "polygon_sides",
        (
            "the number of sides of a convex polygon with {d} diagonals",
            "the number of vertices of a convex polygon with {d} diagonals",
        ),
        ("diagonals of polygons", "convex polygons", "combinations"),
        "",
        ("{n} sides", "{n} sides"),
        drawing.polygon_sides,
        _polygon_sides,
    ),
    Family(
        "triangular_index",
        (
            "the number of consecutive integers from 1 up whose sum is {t}",
            "the number of rows of a triangle of {t} coins with one coin in the first row "
            "and one more in each further row",
        ),
        ("triangular numbers", "sums of integers", "arithmetic series"),
        "",
        ("integers up to {n}", "integers up to {n}"),
        drawing.triangular_index,
        _triangular_index,
    ),
    Family(
        "missing_mean",
        (
            "the number whose mean with {a} and {b} is {m}",
            "the third of three numbers with mean {m} when the other two are {a} and {b}",
        ),
        ("arithmetic means", "averages", "sums of integers"),
        "m",
        ("mean {m} of {a}, {b} and another", "mean {m} of {a}, {b} and another"),
        drawing.missing_mean,
        _missing_mean,
    ),
    Family(
        "gcd_lcm",
        (
            "the number that has greatest common divisor {g} and least common multiple {l} with {a}",
            "the other of two numbers with greatest common divisor {g} and least common multiple {l} "
            "when one of them is {a}",
        ),
        ("greatest common divisor", "least common multiple", "coprime numbers"),
        "g",
        ("{g} times the coprime {i} and {j}", "{g} times the coprime {i} and {j}"),
        drawing.gcd_lcm,
        _gcd_lcm,
    ),
    Family(
        "bag_size",
        (
            "the number of balls in a bag with {r} red balls when a ball drawn at random "
            "is red with probability {p}/{q}",
            "the number of tickets in a raffle with {r} winning tickets when a ticket wins with probability {p}/{q}",
        ),
        ("probability", "fractions", "proportions"),
        "r",
        ("{z} times {p} of {q}", "{p} of {q} with {r} red"),
        drawing.bag_size,
        lambda v: _exact(v["r"] * v["q"], v["p"]) if v["q"] > v["p"] else None,
    ),
    Family(
        "consecutive",
        (
            "the smallest of {k} consecutive positive integers with sum {s}",
            "the first of {k} consecutive positive integers whose sum is {s}",
        ),
        ("consecutive integers", "sums of integers", "integer solutions"),
        "s",
        ("{k} integers from {v}", "{k} integers of sum {s}"),
        drawing.consecutive,
        _consecutive,
    ),
    Family(
        "square_difference",
        (
            "the larger of two positive integers that differ by {d} and whose squares differ by {n}",
            "the larger of two positive integers with difference {d} and difference of squares {n}",
        ),
        ("difference of squares", "factoring", "sums and differences"),
        "d",
        ("squares of {y} and {d} more", "squares of {y} and {d} more"),
        drawing.square_difference,
        _square_difference,
    ),
)
BY_KEY = {family.key: family for family in FAMILIES}
