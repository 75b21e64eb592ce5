r"""Whether SymPy objects have the same values. Runs only in worker processes: it may never end.

Expressions are compared with 50 digits, or as many as the difference may need, at fixed points that are not special for
any reasonable expression: two analytic functions that agree there are the same for all practical purposes (the idea of
Schwartz, 1980, and Zippel, 1979). Equations are compared by whether the quotient of their differences is constant.
If a logarithm or a root of a variable occurs, variables are positive: \\ln(ab) is \\ln a + \\ln b.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy

_DIGITS = 50
_MOST_DIGITS = 6000
_ENOUGH_DIGITS = 10  # of a decimal that represents the number it rounds
_MOST_TERMS = 10_000
_AGREE = sympy.Float("1e-35", _DIGITS)
_ROUNDED = sympy.Float("1e-10", _DIGITS)
_POINTS = 5
_UNEVALUATED = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative)
_STEPS = (sympy.floor, sympy.ceiling, sympy.Mod)
_EXPONENTIAL = (sympy.exp, sympy.erf, sympy.tanh, sympy.coth, sympy.sinh, sympy.cosh, sympy.sech, sympy.csch)
_FAR = 50
_FLIPPED = {sympy.Lt: sympy.Gt, sympy.Gt: sympy.Lt, sympy.Le: sympy.Ge, sympy.Ge: sympy.Le}


def same_value(gold: Any, answer: Any) -> bool:
    """Whether two expressions have the same values; without values, whether they are the same expression."""
    if any(
        not one.expr.free_symbols & set(one.variables)
        for side in (gold, answer)
        for one in side.atoms(sympy.Derivative)
    ):
        return bool(gold == answer)  # a function without arguments
    near = _tolerance(gold, answer)
    gold, answer = _with_fractions(gold), _with_fractions(answer)
    symbols = _symbols(gold, answer)
    counted = _counted(gold, answer)
    if not counted:
        gold, answer = _evaluated(gold), _evaluated(answer)
        symbols = _symbols(gold, answer)
    if gold.has(*_UNEVALUATED) != answer.has(*_UNEVALUATED) and not counted and not symbols:
        return False  # too many terms to add up
    if not symbols and near == _AGREE:
        return _same_constant(gold, answer)
    compared = 0
    points = _points(symbols, counted, _implies_positive(gold, answer), gold.has(*_STEPS) or answer.has(*_STEPS))
    for point in points if symbols else [{}]:
        exactly = gold.subs(point), answer.subs(point)
        if near == _AGREE and all(side.is_Rational for side in exactly):
            if exactly[0] != exactly[1]:
                return False
            compared += 1
            continue
        values = _at(gold, point), _at(answer, point)
        if (values[0] is None) != (values[1] is None):
            return False
        if values[0] is not None and values[1] is not None:
            compared += 1
            if abs(values[0] - values[1]) > near * max(abs(values[0]), abs(values[1])):
                return False
    return compared > 0 or sympy.simplify(gold - answer) == 0


def _tolerance(gold: Any, answer: Any) -> Any:
    """Decimals of ten digits may be rounded, and are read with 15; shorter ones are exact fractions."""
    rounded = [any(len(_spelled(one)) >= _ENOUGH_DIGITS for one in side.atoms(sympy.Float)) for side in (gold, answer)]
    return _AGREE * 10**21 if all(rounded) else _ROUNDED if any(rounded) else _AGREE


def _spelled(decimal: Any) -> str:
    """The significant digits of a decimal."""
    return str(decimal).partition("e")[0].lstrip("-0.").replace(".", "").rstrip("0")


def _with_fractions(expression: Any) -> Any:
    """The expression with fractions instead of decimals."""
    return expression.xreplace({one: sympy.Rational(str(one)) for one in expression.atoms(sympy.Float)})


def _implies_positive(gold: Any, answer: Any) -> bool:
    """Whether there is a logarithm or a root of a variable, and no absolute value that distinguishes the signs."""
    if gold.has(sympy.Abs) or answer.has(sympy.Abs):
        return False
    return any(
        one.free_symbols and (isinstance(one, sympy.log) or (one.exp.is_Rational and not one.exp.is_Integer))
        for side in (gold, answer)
        for one in side.atoms(sympy.log, sympy.Pow)
    )


def _counted(*sides: Any) -> set[Any]:
    """The variables that are bounds of sums and products: they are whole numbers."""
    limits = (bound for side in sides for one in side.atoms(sympy.Sum, sympy.Product) for bound in one.limits)
    return {symbol for _, *bounds in limits for bound in bounds for symbol in bound.free_symbols}


def _evaluated(expression: Any) -> Any:
    """The expression with sums, integrals and limits evaluated; a sum that is too long only if it has a closed form."""
    if not expression.has(*_UNEVALUATED):
        return expression
    long = {one: _closed(one) for one in expression.atoms(sympy.Sum) if _is_long(one)}
    return expression.xreplace(long).doit() if None not in long.values() else expression


def _is_long(one: Any) -> bool:
    (_, first, last), *_ = one.limits
    terms = sympy.N(last - first, 5)
    return bool(terms.is_Float and terms > _MOST_TERMS)


def _closed(one: Any) -> Any | None:
    (index, first, last), *_ = one.limits
    end = sympy.Symbol("end", integer=True, positive=True)
    closed = sympy.Sum(one.function, (index, first, end)).doit()
    return None if closed.has(sympy.Sum) else closed.subs(end, last)


def _points(symbols: list[Any], whole: set[Any], positive: bool, far: bool) -> Iterator[dict[Any, Any]]:
    """Fixed points: quotients of primes, exact so that cancelling terms are exactly zero; `whole` symbols are integers.

    The first point is positive in all symbols; the others have both signs unless `positive`. Rounding functions are
    evaluated `far` from zero, where they take several values.
    """
    for point in range(_POINTS):
        yield {
            symbol: sympy.Integer(2 + point + 2 * place)
            if symbol in whole
            else _quotient(point, place) * (_FAR if far else 1) * (1 if positive else _sign(point, place))
            for place, symbol in enumerate(symbols)
        }


def _sign(point: int, place: int) -> int:
    return -1 if (point * (place % 3 + 1) + point // 3) % 2 and point else 1


def _quotient(point: int, place: int) -> Any:
    return sympy.Rational(sympy.prime(6 + 3 * place + point), sympy.prime(13 + 2 * place + 2 * point))


def _at(expression: Any, point: dict[Any, Any], digits: int = _DIGITS) -> Any | None:
    """The value at a point, or None if there is none."""
    there = expression.subs(point) if point else expression
    value = sympy.N(there.doit() if there.has(*_UNEVALUATED) else there, digits)
    if not (value.is_number and value.is_finite):
        return None
    real, imaginary = (_significant(part) for part in value.as_real_imag())
    return real + sympy.I * imaginary


def _significant(part: Any) -> Any:
    """A part, or zero: SymPy marks values that it cannot distinguish from zero by a precision of one bit."""
    return sympy.Integer(0) if part.is_Float and part._prec == 1 else part


def _symbols(*expressions: Any) -> list[Any]:
    return sorted(set().union(*(expression.free_symbols for expression in expressions)), key=str)


def _same_constant(gold: Any, answer: Any) -> bool:
    """Compares numbers without decimals: exactly if they are rational, else to as many digits as are needed."""
    if gold.is_Rational and answer.is_Rational:
        return bool(gold == answer)
    digits = _DIGITS
    values = _at(gold, {}), _at(answer, {})
    if values[0] is None or values[1] is None:
        return bool(values[0] == values[1] and sympy.simplify(gold - answer) == 0)
    if not _agree(*values, digits):
        return False
    digits += min(_MOST_DIGITS, 2 * _digits_of(gold - answer))
    return digits < 2 * _DIGITS or _agree(_at(gold, {}, digits), _at(answer, {}, digits), digits)


def _agree(one: Any, other: Any, digits: int) -> bool:
    return bool(abs(one - other) <= sympy.Float(10, digits) ** (15 - digits) * max(abs(one), abs(other)))


def _digits_of(expression: Any) -> int:
    """The total number of digits of the numbers in an expression: a difference may need that many."""
    numbers = expression.atoms(sympy.Rational) | {
        power for power in expression.atoms(sympy.Pow) if power.exp.is_Integer
    }
    return sum(_length(number) for number in numbers) + sum(_depth(one) for one in expression.atoms(*_EXPONENTIAL))


def _depth(function: Any) -> int:
    """By how many digits an exponential function may differ from 0, or a function of it from 1."""
    size = sympy.N(abs(function.args[0]), 5)
    return int(min(size**2 if isinstance(function, sympy.erf) else size, _MOST_DIGITS)) + 1 if size.is_number else 1


def _length(number: Any) -> int:
    if number.is_Rational:
        return int((number.p.bit_length() + number.q.bit_length()) * 0.302) + 1
    base = sympy.N(abs(number.base), 5)
    return int(abs(sympy.log(base, 10).evalf(5) * number.exp)) + 1 if base.is_number and base > 0 else 1


def same_relation(gold: Any, answer: Any) -> bool:
    """Whether one relation is a multiple of the other; a negative factor reverses the order."""
    sides = _with_fractions(gold.lhs - gold.rhs), _with_fractions(answer.lhs - answer.rhs)
    if isinstance(gold, sympy.Eq) and isinstance(answer, sympy.Eq):
        sides = _without_denominator(sides[0]), _without_denominator(sides[1])
    factors = []
    for point in _points(_symbols(*sides), set(), False, False):
        values = _at(sides[0], point), _at(sides[1], point)
        if values[0] is None or values[1] is None or values[1] == 0:
            continue
        factors.append(values[0] / values[1])
    if not factors or any(abs(factor - factors[0]) > _AGREE * 10**10 * abs(factors[0]) for factor in factors):
        return False
    if factors[0] == 0 or sympy.im(factors[0]) != 0:
        return False
    kind = type(answer) if factors[0] > 0 else _FLIPPED.get(type(answer), type(answer))
    return type(gold) is kind


def _without_denominator(side: Any) -> Any:
    """An expression with the zeros of `side`, without denominators that share no zero with it: 6/x - y as 6 - xy."""
    above, below = sympy.fraction(sympy.cancel(side)) if side.is_rational_function() else (side, sympy.Integer(1))
    if not below.free_symbols:
        return side
    for factor, _ in sympy.factor_list(below)[1]:
        symbol = next((one for one in _symbols(factor) if sympy.degree(factor, one) == 1), None)
        zero = sympy.solve(factor, symbol) if symbol is not None and factor.coeff(symbol).is_number else []
        if len(zero) != 1 or not (left := sympy.expand(above.subs(symbol, zero[0]))).is_number or left == 0:
            return side
    return above
