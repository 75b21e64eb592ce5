r"""Whether two expressions are the same, by Math-Verify and SymPy. Runs in worker processes only: it may never end.

Math-Verify reads LaTeX. Its verdict is not taken as it is, because it rounds to six decimals (so that 1e-10 equals 0),
drops subscripts and compares equations by their right-hand sides. So whatever has values is compared by them, with 50
digits at fixed points that no reasonable expression singles out (two analytic functions that agree there are the same
for all practical purposes: the idea of Schwartz, 1980, and Zippel, 1979); equations by whether the quotient of their
differences is constant. Only what has no values, such as sets, is left to Math-Verify's own comparison.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy
from math_verify import verify

from promptcot.core.answers.brackets import deepest
from promptcot.core.answers.exact import compare
from promptcot.core.answers.expressions import comparable, same_expression
from promptcot.core.answers.parts import parse as parse_parts
from promptcot.core.answers.units import DEGREE, measured
from promptcot.grading.sets import computed

logging.getLogger("math_verify").setLevel(logging.CRITICAL)
logging.getLogger("latex2sympy2_extended").setLevel(logging.CRITICAL)

_DIGITS = 50
_MOST_DIGITS = 6000
_AGREE = sympy.Float("1e-35", _DIGITS)
_ROUNDED = sympy.Float("1e-10", _DIGITS)
_POINTS = 5
_DEEPEST = 100  # the parser takes time that is quadratic in the depth, and stack
# Without its units, which take the t of "1 + t" for tonnes.
_SPELLING = NormalizationConfig(basic_latex=True, malformed_operators=True, nits=True, boxed="none")
_READING = ConversionConfig(lowercase_symbols=False)
_MIXED = re.compile(r"(?<![\d.}_^])(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}")
_IN_DEGREES = re.compile(r"(\d+(?:\.\d+)?|\([^()]*\))\s*\^\s*\{?\\circ(?![a-z])\}?")
# Letters that the parser does not know, or takes for constants, as others with a number that nobody writes.
_UNKNOWN = {"hbar": 99, "ell": 98, "gamma": 97, "Gamma": 96}
_INDEXED = re.compile(r"(?<![a-zA-Z\\])([eE])_(?:\{(\w+)\}|(\w))")
_LETTERS = re.compile(rf"\\({'|'.join(_UNKNOWN)})(?![a-zA-Z])")
_DIRECTED = re.compile(r"\\(overrightarrow|widehat)\{([A-Z]+)\}")
_ANGULAR = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)")
_UNEVALUATED = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative)


def same(gold: str, answer: str) -> bool:
    """Whether `answer` says what `gold` says. Raises nothing but RecursionError and MemoryError; may take for ever."""
    one, other = (parse_parts(computed(text, read_latex)) for text in (gold, answer))
    return bool(compare(one, other, _same_expression))


def _same_expression(gold: str, answer: str) -> bool:
    known = same_expression(gold, answer)
    if known is not None:
        return known
    pair = comparable(gold, answer)
    if pair is None:
        return False
    angle = measured(gold).unit == DEGREE, measured(answer).unit == DEGREE
    if any(angle) and not all(angle):
        return _same_angle(*pair, angle)
    return _same_text(*pair)


def _same_text(gold: str, answer: str) -> bool:
    read = read_latex(gold), read_latex(answer)
    if read[0] is None or read[1] is None:
        return False
    return _same_object(read[0], read[1])


def _same_angle(gold: str, answer: str, in_degrees: tuple[bool, bool]) -> bool:
    """An angle in degrees and one without a unit: radians where it holds pi, else degrees."""
    radians = answer if in_degrees[0] else gold
    if "\\pi" not in radians:
        return _same_text(gold, answer)
    turned = (
        f"({text}) \\cdot \\frac{{\\pi}}{{180}}" if degrees else text
        for text, degrees in zip((gold, answer), in_degrees, strict=True)
    )
    return _same_text(*turned)


@lru_cache(maxsize=1024)
def read_latex(text: str) -> Any | None:
    """The SymPy object that a normalised text describes; None if it cannot be read, or only as text."""
    if deepest(text) > _DEEPEST:
        return None
    text = _MIXED.sub(_sum_if_proper, text)
    text = _IN_DEGREES.sub(r"(\1 \\cdot \\frac{\\pi}{180})", text)
    text = re.sub(r"\s*\^\\circ(?![a-z])", r" \\cdot \\frac{\\pi}{180} " if _ANGULAR.search(text) else "", text)
    text = _DIRECTED.sub(_as_symbol, text)
    text = _LETTERS.sub(lambda letter: f"{letter[1][0]}_{{{_UNKNOWN[letter[1]]}}}", text)
    text = _INDEXED.sub(lambda letter: f"z_{{{ord(letter[1])}0{letter[2] or letter[3]}}}", text)
    if "\\text" in text:
        return None  # words that no unit is
    try:
        found = latex2sympy(text, normalization_config=_SPELLING, conversion_config=_READING)
    except (RecursionError, MemoryError):
        raise
    except Exception:  # the parser promises nothing about what it raises
        return None
    return found


def _as_symbol(found: re.Match[str]) -> str:
    """A directed segment as one symbol: the vector BA is minus AB; an arc from B to A is another than from A to B."""
    kind, points = found.groups()
    if kind == "overrightarrow" and len(points) == 2 and points[1] < points[0]:
        return f"(-v_{{{points[::-1]}}})"
    return f"{kind[0].replace('o', 'v')}_{{{points}}}"


def _sum_if_proper(found: re.Match[str]) -> str:
    whole, above, below = found.groups()
    return f"({whole}+\\frac{{{above}}}{{{below}}})" if int(above) < int(below) else found[0]


def _same_object(gold: Any, answer: Any) -> bool:
    try:
        gold, answer = (_explicit(side) if isinstance(side, sympy.MatrixExpr) else side for side in (gold, answer))
        gold, answer = _imaginary(gold), _imaginary(answer)
        if gold == answer:
            return True
        if isinstance(gold, sympy.Rel) and isinstance(answer, sympy.Rel):
            return _same_relation(gold, answer)
        if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase):
            return gold.shape == answer.shape and all(_same_value(a, b) for a, b in zip(gold, answer, strict=True))
        if isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr):
            return _same_value(gold, answer)
        return _same_otherwise(gold, answer)
    except (RecursionError, MemoryError):
        raise
    except Exception:  # SymPy raises of every kind on expressions that make no sense
        return False


def _imaginary(one: Any) -> Any:
    """`one` with i as the imaginary unit, which it is wherever it is not bound, as the index of a sum."""
    unit = {symbol: sympy.I for symbol in one.free_symbols if symbol.name == "i"}
    return one.subs(unit) if unit else one


def _explicit(matrix: Any) -> Any:
    return matrix.doit().as_explicit()


def _same_otherwise(gold: Any, answer: Any) -> bool:
    """Sets and the like, as Math-Verify sees them; an expression is never the same as a set or a relation."""
    if isinstance(gold, sympy.Expr) != isinstance(answer, sympy.Expr):
        return False
    return bool(verify(gold, answer, numeric_precision=_DIGITS, timeout_seconds=None))


def _points(symbols: list[Any]) -> Iterator[dict[Any, Any]]:
    """Fixed points, positive and negative: quotients of primes, exact so that what cancels is seen to be zero."""
    for point in range(1, _POINTS + 1):
        sign = -1 if point % 2 == 0 else 1
        yield {
            symbol: sign * sympy.Rational(sympy.prime(5 + 3 * place + point), sympy.prime(11 + 2 * place + 2 * point))
            for place, symbol in enumerate(symbols)
        }


def _at(expression: Any, point: dict[Any, Any], digits: int = _DIGITS) -> Any | None:
    """The value there, or None if there is none."""
    value = sympy.N(expression.subs(point) if point else expression, digits)
    if not (value.is_number and value.is_finite):
        return None
    real, imaginary = (_significant(part) for part in value.as_real_imag())
    return real + sympy.I * imaginary


def _significant(part: Any) -> Any:
    """SymPy marks what it cannot tell from zero by a precision of one bit."""
    return sympy.Integer(0) if part.is_Float and part._prec == 1 else part


def _symbols(*expressions: Any) -> list[Any]:
    return sorted(set().union(*(expression.free_symbols for expression in expressions)), key=str)


def _same_value(gold: Any, answer: Any) -> bool:
    """Whether two expressions have the same values; exactly the same expression if they have none."""
    if gold.has(*_UNEVALUATED) or answer.has(*_UNEVALUATED):
        gold, answer = gold.doit(), answer.doit()
    symbols = _symbols(gold, answer)
    if not symbols and not gold.has(sympy.Float) and not answer.has(sympy.Float):
        return _same_constant(gold, answer)
    near = _ROUNDED if gold.has(sympy.Float) != answer.has(sympy.Float) else _AGREE
    if gold.has(sympy.Float) and answer.has(sympy.Float):
        near = _AGREE * 10**21  # what SymPy reads as a decimal has 15 digits
    compared = 0
    for point in _points(symbols):
        values = _at(gold, point), _at(answer, point)
        if (values[0] is None) != (values[1] is None):
            return False
        if values[0] is not None and values[1] is not None:
            compared += 1
            if abs(values[0] - values[1]) > near * max(abs(values[0]), abs(values[1])):
                return False
        if not symbols:
            break
    return compared > 0 or sympy.simplify(gold - answer) == 0


def _same_constant(gold: Any, answer: Any) -> bool:
    """Numbers without decimals: exactly where they are rational, else to as many digits as may decide."""
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
    """How many digits the rational numbers in an expression have, together: a difference may lie that deep."""
    numbers = expression.atoms(sympy.Rational) | {
        power for power in expression.atoms(sympy.Pow) if power.exp.is_Integer
    }
    return sum(_length(number) for number in numbers)


def _length(number: Any) -> int:
    if number.is_Rational:
        return int((number.p.bit_length() + number.q.bit_length()) * 0.302) + 1
    base = sympy.N(abs(number.base), 5)
    return int(abs(sympy.log(base, 10).evalf(5) * number.exp)) + 1 if base.is_number and base > 0 else 1


_FLIPPED = {sympy.Lt: sympy.Gt, sympy.Gt: sympy.Lt, sympy.Le: sympy.Ge, sympy.Ge: sympy.Le}


def _same_relation(gold: Any, answer: Any) -> bool:
    """Whether one relation is a multiple of the other; a negative factor turns the order round."""
    sides = gold.lhs - gold.rhs, answer.lhs - answer.rhs
    factors = []
    for point in _points(_symbols(*sides)):
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
