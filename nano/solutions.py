"""How each family is worked out in small written steps, for any operands.

`work_out` gives the facts of one step; how a problem is walked through is left to `solving`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nano.arithmetic import NoSuchNumber, Work

Operands = Mapping[str, int]


def work_out(key: str, operands: Operands) -> tuple[list[str], int | None]:
    """The facts of family `key` in order, and the value they lead to, or None where they show that there is none.

    Raises KeyError for an unknown family.
    """
    work, value = _worked(key, operands)
    return work.facts, value


def sums_of(key: str, operands: Operands) -> list[str]:
    """The facts that are whole sums, as an after-the-fact rationale has them."""
    return _worked(key, operands)[0].sums


def _worked(key: str, operands: Operands) -> tuple[Work, int | None]:
    work = Work()
    try:
        least = min(operands.values())
        if least < 1:
            work.exceeds(least, 0)
        return work, _WAYS[key](work, operands)
    except NoSuchNumber:
        return work, None


def _larger_root(w: Work, v: Operands) -> int:
    s = v["s"]
    e = w.root(w.minus(w.times(s, s), w.times(4, v["p"])))
    return w.over(w.plus(s, e), 2)


def _rectangle_side(w: Work, v: Operands) -> int:
    h = w.over(v["p"], 2)
    e = w.root(w.minus(w.times(h, h), w.times(4, v["q"])))
    return w.over(w.plus(h, e), 2)


def _reduced(w: Work, a: int, b: int) -> tuple[int, int, int]:
    """Both numbers without their greatest common divisor, and the divisor."""
    g = w.gcd(a, b)
    return (w.over(a, g), w.over(b, g), g) if g > 1 else (a, b, 1)


def _scaled(w: Work, g: int, v: int) -> int:
    return w.times(g, v) if g > 1 else v


def _hypotenuse(w: Work, v: Operands) -> int:
    x, y, g = _reduced(w, v["a"], v["b"])
    return _scaled(w, g, w.root(w.plus(w.times(x, x), w.times(y, y))))


def _other_leg(w: Work, v: Operands) -> int:
    w.exceeds(v["c"], v["a"])
    h, x, g = _reduced(w, v["c"], v["a"])
    return _scaled(w, g, w.root(w.minus(w.times(h, h), w.times(x, x))))


def _common_difference(w: Work, v: Operands) -> int:
    w.exceeds(v["k"], 3)
    g = w.minus(v["t"], v["a"])
    return w.over(g, w.minus(v["k"], 1))


def _midpoint(w: Work, v: Operands) -> int:
    w.exceeds(v["b"], v["a"])
    return w.over(w.plus(v["a"], v["b"]), 2)


def _square_side(w: Work, v: Operands) -> int:
    x, y, g = _reduced(w, v["a"], v["b"])
    return _scaled(w, g, w.times(w.root(x), w.root(y)))


def _sum_difference(w: Work, v: Operands) -> int:
    w.exceeds(v["s"], v["d"])
    return w.over(w.plus(v["s"], v["d"]), 2)


def _polygon_sides(w: Work, v: Operands) -> int:
    return w.neighbours(-3, w.times(2, v["d"]))


def _triangular_index(w: Work, v: Operands) -> int:
    return w.neighbours(1, w.times(2, v["t"]))


def _missing_mean(w: Work, v: Operands) -> int:
    return w.minus(w.minus(w.times(3, v["m"]), v["a"]), v["b"])


def _gcd_lcm(w: Work, v: Operands) -> int:
    j, i = w.over(v["l"], v["a"]), w.over(v["a"], v["g"])
    if w.gcd(i, j) > 1:
        raise NoSuchNumber
    return w.times(v["g"], j)


def _bag_size(w: Work, v: Operands) -> int:
    w.exceeds(v["q"], v["p"])
    return w.over(w.times(v["r"], v["q"]), v["p"])


def _consecutive(w: Work, v: Operands) -> int:
    k = v["k"]
    w.exceeds(k, 1)
    w.exceeds(10, k)
    return w.over(w.minus(v["s"], k * (k - 1) // 2), k)


def _square_difference(w: Work, v: Operands) -> int:
    n = w.over(v["n"], v["d"])
    w.exceeds(n, v["d"])
    return w.over(w.plus(n, v["d"]), 2)


_WAYS: dict[str, Callable[[Work, Operands], int]] = {
    "larger_root": _larger_root,
    "quotient": lambda w, v: w.over(v["n"], v["d"]),
    "hypotenuse": _hypotenuse,
    "other_leg": _other_leg,
    "common_difference": _common_difference,
    "midpoint": _midpoint,
    "common_ratio": lambda w, v: w.root(w.over(v["c"], v["a"])),
    "square_side": _square_side,
    "linear": lambda w, v: w.over(w.minus(v["c"], v["b"]), v["a"]),
    "sum_difference": _sum_difference,
    "rectangle_side": _rectangle_side,
    "polygon_sides": _polygon_sides,
    "triangular_index": _triangular_index,
    "missing_mean": _missing_mean,
    "gcd_lcm": _gcd_lcm,
    "bag_size": _bag_size,
    "consecutive": _consecutive,
    "square_difference": _square_difference,
}
