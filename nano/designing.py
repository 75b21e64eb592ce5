"""What follows from an idea: the sums, the operands of the problem and the value, by the table of `LANGUAGE.md`.

For any numbers, so that a judge can follow a wrong idea too. `checks` are what the idea must have beyond sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import gcd
from typing import NamedTuple

from nano.arithmetic import quotient as quotient_text

Numbers = Mapping[str, int]


class Drawn(NamedTuple):
    """An idea's numbers and what follows from them.

    `last` are the sums that give the value where the others do not; a check is a fact and whether it suits.
    """

    numbers: Numbers
    linked: bool
    value: int
    operands: dict[str, int]
    sums: list[str]
    last: list[str]
    checks: list[tuple[str, bool]]


class _Sums:
    """Sums in order; each gives its result, or what `written` says in its place."""

    def __init__(self, written: Sequence[int] = ()) -> None:
        self.sums: list[str] = []
        self.last: list[str] = []
        self.checks: list[tuple[str, bool]] = []
        self._written = written

    def _said(self, result: int) -> int:
        place = len(self.sums) - 1
        return self._written[place] if place < len(self._written) else result

    def plus(self, a: int, b: int) -> int:
        self.sums.append(f"{a}+{b}={a + b}")
        return self._said(a + b)

    def minus(self, a: int, b: int) -> int:
        self.sums.append(f"{a}-{b}={a - b}")
        return self._said(a - b)

    def times(self, a: int, b: int) -> int:
        self.sums.append(f"{a}*{b}={a * b}")
        return self._said(a * b)

    def over(self, n: int, d: int) -> int:
        """The quotient; a sum that shows a remainder is no sum of the language."""
        self.sums.append(quotient_text(n, d) if d else f"{n}/0")
        return self._said(n // d if d else 0)

    def check(self, fact: str, suits: bool) -> None:
        self.checks.append((fact, suits))

    def more(self, a: int, b: int) -> None:
        """That a > b."""
        self.check(f"{a}>{b}" if a > b else f"{a}={b}" if a == b else f"{a}<{b}", a > b)


def derived(key: str, numbers: Numbers, linked: bool, written: Sequence[int] = ()) -> Drawn:
    """What follows from the numbers of an idea of family `key`, with or without a reference.

    `written` results take the place of the true ones, in order. Raises KeyError for an unknown family.
    """
    work = _Sums(written)
    operands, value = _WAYS[key](work, numbers, linked)
    return Drawn(numbers, linked, value, operands, work.sums, work.last, work.checks)


Made = tuple[dict[str, int], int]


def _larger_root(w: _Sums, n: Numbers, linked: bool) -> Made:
    r = n["r"]
    v = w.minus(n["s"], r) if linked else n["v"]
    s = n["s"] if linked else w.plus(r, v)
    w.more(v, r)
    return {"s": s, "p": w.times(r, v)}, v


def _quotient(w: _Sums, n: Numbers, linked: bool) -> Made:
    return {"n": w.times(n["v"], n["d"]), "d": n["d"]}, n["v"]


def _right_triangle(w: _Sums, n: Numbers, linked: bool, second: str, asked: str) -> tuple[int, int, int]:
    """The leg, the given other side and the side that is asked for."""
    x, y, h = n["x"], n["y"], n["h"]
    z = w.over(n["a"], x) if linked else n["z"]
    a = n["a"] if linked else w.times(z, x)
    w.check(f"{x * x}+{y * y}={x * x + y * y}, {h}*{h}={h * h}", x * x + y * y == h * h)
    w.last.append(f"{z}*{n[asked]}={z * n[asked]}")
    return a, w.times(z, n[second]), z * n[asked]


def _hypotenuse(w: _Sums, n: Numbers, linked: bool) -> Made:
    a, b, v = _right_triangle(w, n, linked, "y", "h")
    return {"a": a, "b": b}, v


def _other_leg(w: _Sums, n: Numbers, linked: bool) -> Made:
    a, c, v = _right_triangle(w, n, linked, "h", "y")
    return {"a": a, "c": c}, v


def _common_difference(w: _Sums, n: Numbers, linked: bool) -> Made:
    w.more(n["k"], 3)
    g = w.times(n["k"] - 1, n["v"])
    return {"a": n["a"], "k": n["k"], "t": w.plus(n["a"], g)}, n["v"]


def _midpoint(w: _Sums, n: Numbers, linked: bool) -> Made:
    a, h = n["a"], n["h"]
    w.last.append(f"{a}+{h}={a + h}")
    return {"a": a, "b": w.plus(a, w.plus(h, h))}, a + h


def _common_ratio(w: _Sums, n: Numbers, linked: bool) -> Made:
    return {"a": n["a"], "c": w.times(w.times(n["v"], n["v"]), n["a"])}, n["v"]


def _square_side(w: _Sums, n: Numbers, linked: bool) -> Made:
    j = n["j"]
    if linked:
        a = n["a"]
        w.last.append(f"{a}*{j}={a * j}")
        return {"a": a, "b": w.times(a, w.times(j, j))}, a * j
    m, i = n["m"], n["i"]
    a = w.times(m, w.times(i, i))
    w.last += [f"{i}*{j}={i * j}", f"{m}*{i * j}={m * i * j}"]
    return {"a": a, "b": w.times(m, w.times(j, j))}, m * i * j


def _linear(w: _Sums, n: Numbers, linked: bool) -> Made:
    return {"a": n["a"], "b": n["b"], "c": w.plus(w.times(n["a"], n["v"]), n["b"])}, n["v"]


def _sum_difference(w: _Sums, n: Numbers, linked: bool) -> Made:
    v = w.plus(n["y"], n["d"])
    return {"d": n["d"], "s": w.plus(n["y"], v)}, v


def _rectangle_side(w: _Sums, n: Numbers, linked: bool) -> Made:
    u = n["u"]
    v = w.over(n["q"], u) if linked else n["v"]
    q = n["q"] if linked else w.times(u, v)
    w.more(v, u)
    h = w.plus(u, v)
    return {"q": q, "p": w.plus(h, h)}, v


def _polygon_sides(w: _Sums, n: Numbers, linked: bool) -> Made:
    w.more(n["n"], 3)
    return {"d": w.over(w.times(n["n"], w.minus(n["n"], 3)), 2)}, n["n"]


def _triangular_index(w: _Sums, n: Numbers, linked: bool) -> Made:
    return {"t": w.over(w.times(n["n"], w.plus(n["n"], 1)), 2)}, n["n"]


def _missing_mean(w: _Sums, n: Numbers, linked: bool) -> Made:
    v = w.minus(w.minus(w.times(3, n["m"]), n["a"]), n["b"])
    return {"a": n["a"], "b": n["b"], "m": n["m"]}, v


def _gcd_lcm(w: _Sums, n: Numbers, linked: bool) -> Made:
    g, i, j = n["g"], n["i"], n["j"]
    a = w.times(g, i)
    common = gcd(i, j)
    w.check(f"gcd {common}", common == 1)
    w.last.append(f"{g}*{j}={g * j}")
    return {"g": g, "l": w.times(a, j), "a": a}, g * j


def _bag_size(w: _Sums, n: Numbers, linked: bool) -> Made:
    p, q = n["p"], n["q"]
    w.more(q, p)
    z = w.over(n["r"], p) if linked else n["z"]
    w.last.append(f"{z}*{q}={z * q}")
    return {"r": n["r"] if linked else w.times(z, p), "p": p, "q": q}, z * q


def _consecutive(w: _Sums, n: Numbers, linked: bool) -> Made:
    k = n["k"]
    c = k * (k - 1) // 2
    w.check(f"{k}<2" if k < 2 else f"{k}<10" if k < 10 else f"{k}>9", 2 <= k <= 9)
    if linked:
        return {"k": k, "s": n["s"]}, w.over(w.minus(n["s"], c), k)
    return {"k": k, "s": w.plus(w.times(k, n["v"]), c)}, n["v"]


def _square_difference(w: _Sums, n: Numbers, linked: bool) -> Made:
    v = w.plus(n["y"], n["d"])
    return {"d": n["d"], "n": w.times(n["d"], w.plus(n["y"], v))}, v


_WAYS: dict[str, Callable[[_Sums, Numbers, bool], Made]] = {
    "larger_root": _larger_root,
    "quotient": _quotient,
    "hypotenuse": _hypotenuse,
    "other_leg": _other_leg,
    "common_difference": _common_difference,
    "midpoint": _midpoint,
    "common_ratio": _common_ratio,
    "square_side": _square_side,
    "linear": _linear,
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
