"""How each operation is worked out in small written steps.

`explain` gives the facts of one step; the problem around it is left to `problems`.
"""

from __future__ import annotations

from collections.abc import Callable

from nano.arithmetic import Work, add, divide, euclid, factors, half_product, multiply, subtract
from nano.operations import Values


def explain(key: str, values: Values) -> list[str]:
    """The facts that lead to the value of operation `key` at `values`, in order.

    Raises KeyError for an unknown operation.
    """
    return _WAYS[key](values)[0]


def worked_value(key: str, values: Values) -> int:
    """The value as the written steps reach it, computed apart from `Operation.value`."""
    return _WAYS[key](values)[1]


def _then(first: Work, second: Callable[[int], Work]) -> Work:
    facts, value = second(first[1])
    return first[0] + facts, value


def _factorize(n: int) -> list[str]:
    facts = []
    for p in factors(n):
        facts.append(f"{n}/{p}={n // p}.")
        n //= p
    return facts


def _fold(numbers: list[int], operation: Callable[[int, int], Work]) -> Work:
    facts: list[str] = []
    value = numbers[0]
    for number in numbers[1:]:
        new, value = operation(value, number)
        facts += new
    return facts, value


def _divisors(v: Values) -> Work:
    primes = factors(v["n"])
    if not primes:
        return ["1 has only itself."], 1
    counts = [primes.count(p) for p in dict.fromkeys(primes)]
    facts, value = _fold([count + 1 for count in counts], multiply)
    listed = ", ".join(f"{count}+1={count + 1}" for count in counts)
    return [*_factorize(v["n"]), f"Exponents {listed}.", *facts], value


def _prime_sum(v: Values) -> Work:
    distinct = list(dict.fromkeys(factors(v["n"])))
    facts, value = _fold(distinct, add)
    return [*_factorize(v["n"]), f"Primes {', '.join(map(str, distinct))}.", *facts], value


def _digit_sum(v: Values) -> Work:
    digits = [int(digit) for digit in str(v["n"])]
    facts, value = _fold(digits, add)
    return [f"Digits {', '.join(map(str, digits))}.", *facts], value


def _power_mod(v: Values) -> Work:
    a, m = v["a"], v["m"]
    value = a % m
    facts = [f"1: {a}, {value}."]
    for i in range(2, v["k"] + 1):
        product = value * a
        value = product % m
        facts.append(f"{i}: {product // a}*{a}={product}, {value}.")
    return facts, value


def _remainder(v: Values) -> Work:
    facts, _, rest = divide(v["n"], v["m"])
    return facts, rest


def _lcm(v: Values) -> Work:
    facts, g = euclid(v["a"], v["b"])
    more, value = multiply(v["a"] // g, v["b"])
    return [*facts, f"{v['a']}/{g}={v['a'] // g}.", *more], value


def _multiples(v: Values) -> Work:
    facts, quotient, _ = divide(v["n"], v["d"])
    return facts, quotient


def _zeros(v: Values) -> Work:
    n = v["n"]
    facts: list[str] = []
    quotients: list[int] = []
    while n >= 5 or not quotients:
        facts.append(f"{n}/5={n // 5} r {n % 5}.")
        n //= 5
        quotients.append(n)
    more, value = _fold(quotients, add)
    return facts + more, value


def _choose(v: Values) -> Work:
    n = v["n"]
    facts, value = half_product(n, n - 1)
    if v["k"] == 2:
        return facts, value
    facts, value = _then((facts, value), lambda pairs: multiply(pairs, n - 2))
    more, quotient, _ = divide(value, 3)
    return facts + more, quotient


def _subsets(v: Values) -> Work:
    return [f"2^{v['n']}={2 ** v['n']}."], 2 ** v["n"]


def _diagonals(v: Values) -> Work:
    return _then(subtract(v["n"], 3), lambda less: half_product(v["n"], less))


def _handshakes(v: Values) -> Work:
    return _then(subtract(v["n"], 1), lambda less: half_product(v["n"], less))


def _triangular(v: Values) -> Work:
    return _then(add(v["n"], 1), lambda more: half_product(v["n"], more))


def _arith_sum(v: Values) -> Work:
    gap = _then(subtract(v["k"], 1), lambda steps: multiply(steps, v["d"]))
    last = _then(gap, lambda rise: add(v["a"], rise))
    ends = _then(last, lambda end: add(v["a"], end))
    return _then(ends, lambda both: half_product(both, v["k"]))


def _geo_sum(v: Values) -> Work:
    term = total = v["a"]
    facts: list[str] = []
    for _ in range(v["k"] - 1):
        product, term = multiply(term, v["r"])
        more, total = add(total, term)
        facts += product + more
    return facts, total


def _poly_value(v: Values) -> Work:
    square, x_squared = multiply(v["x"], v["x"])
    linear, bx = multiply(v["b"], v["x"])
    facts, value = _fold([x_squared, bx, v["c"]], add)
    return square + linear + facts, value


def _roots_sum(v: Values) -> Work:
    return [f"By Vieta {v['b']}."], v["b"]


def _roots_squares(v: Values) -> Work:
    square, b_squared = multiply(v["b"], v["b"])
    double, twice = multiply(2, v["c"])
    facts, value = subtract(b_squared, twice)
    return square + double + facts, value


def _floor_sqrt(v: Values) -> Work:
    root = 0
    while (root + 1) ** 2 <= v["n"]:
        root += 1
    return [f"{root}^2={root**2}.", f"{root + 1}^2={(root + 1) ** 2}."], root


def _grid_points(v: Values) -> Work:
    wide, columns = add(v["a"], 1)
    high, rows = add(v["b"], 1)
    facts, value = multiply(columns, rows)
    return wide + high + facts, value


def _segment_points(v: Values) -> Work:
    return _then(euclid(v["a"], v["b"]), lambda g: add(g, 1))


def _distance_squared(v: Values) -> Work:
    first, a_squared = multiply(v["a"], v["a"])
    second, b_squared = multiply(v["b"], v["b"])
    facts, value = add(a_squared, b_squared)
    return first + second + facts, value


def _probability(v: Values) -> Work:
    total, balls = add(v["a"], v["b"])
    facts, g = euclid(v["a"], v["b"])
    p, q = v["a"] // g, balls // g
    last, value = add(p, q)
    return [*total, *facts, f"{v['a']}/{g}={p}.", f"{balls}/{g}={q}.", *last], value


def _median(v: Values) -> Work:
    ordered = sorted(v.values())
    return [f"Sorted {', '.join(map(str, ordered))}."], ordered[1]


_WAYS: dict[str, Callable[[Values], Work]] = {
    "divisors": _divisors,
    "prime_sum": _prime_sum,
    "digit_sum": _digit_sum,
    "power_mod": _power_mod,
    "remainder": _remainder,
    "gcd": lambda v: euclid(v["a"], v["b"]),
    "lcm": _lcm,
    "multiples": _multiples,
    "zeros": _zeros,
    "choose": _choose,
    "subsets": _subsets,
    "diagonals": _diagonals,
    "handshakes": _handshakes,
    "triangular": _triangular,
    "arith_sum": _arith_sum,
    "geo_sum": _geo_sum,
    "poly_value": _poly_value,
    "roots_sum": _roots_sum,
    "roots_squares": _roots_squares,
    "floor_sqrt": _floor_sqrt,
    "grid_points": _grid_points,
    "segment_points": _segment_points,
    "triangle_area": lambda v: half_product(v["b"], v["a"]),
    "distance_squared": _distance_squared,
    "probability": _probability,
    "median": _median,
}
