r"""Whether two answers are the same, by Math-Verify and SymPy. Runs only in worker processes: it may never end.

Math-Verify parses LaTeX. Its own comparison rounds to six decimals (so that 1e-10 equals 0), drops subscripts and
compares equations by their right-hand sides. Therefore everything that has values is compared by them (`values`), and
only the rest, such as sets, by Math-Verify's own comparison.
"""

from __future__ import annotations

import logging
from typing import Any

import sympy
from math_verify import verify

from promptcot.core.answers.exact import compare
from promptcot.core.answers.expressions import comparable, same_expression
from promptcot.core.answers.parts import parse as parse_parts
from promptcot.grading.latex import read_latex
from promptcot.grading.sets import computed
from promptcot.grading.values import same_relation, same_value

logging.getLogger("math_verify").setLevel(logging.CRITICAL)

_DIGITS = 50


def same(gold: str, answer: str) -> bool:
    """Whether `answer` means the same as `gold`. Raises only RecursionError and MemoryError; may never end."""
    one, other = (parse_parts(computed(text, read_latex)) for text in (gold, answer))
    return bool(compare(one, other, _same_expression))


def _same_expression(gold: str, answer: str) -> bool:
    known = same_expression(gold, answer)
    if known is not None:
        return known
    pair = comparable(gold, answer)
    if pair is None:
        return False
    return _same_text(*pair)


def _same_text(gold: str, answer: str) -> bool:
    read = read_latex(gold), read_latex(answer)
    if read[0] is None or read[1] is None:
        return False
    return _same_object(read[0], read[1])


def _same_object(gold: Any, answer: Any) -> bool:
    try:
        gold, answer = (_explicit(side) if isinstance(side, sympy.MatrixExpr) else side for side in (gold, answer))
        gold, answer = _imaginary(gold), _imaginary(answer)
        if gold == answer:
            return True
        if isinstance(gold, sympy.Rel) and isinstance(answer, sympy.Rel):
            return same_relation(gold, answer)
        if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase):
            return gold.shape == answer.shape and all(same_value(a, b) for a, b in zip(gold, answer, strict=True))
        if isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr):
            return same_value(gold, answer)
        return _same_otherwise(gold, answer)
    except (RecursionError, MemoryError):
        raise
    except Exception:  # SymPy raises many kinds of errors on meaningless expressions
        return False


def _imaginary(one: Any) -> Any:
    """`one` with i as the imaginary unit, except where i is bound, for example as the index of a sum."""
    unit = {symbol: sympy.I for symbol in one.free_symbols if symbol.name == "i"}
    return one.subs(unit) if unit else one


def _explicit(matrix: Any) -> Any:
    return matrix.doit().as_explicit()


def _same_otherwise(gold: Any, answer: Any) -> bool:
    """Compares sets and the like with Math-Verify; an expression is never the same as a set or a relation."""
    if isinstance(gold, sympy.Expr) != isinstance(answer, sympy.Expr):
        return False
    return bool(verify(gold, answer, numeric_precision=_DIGITS, timeout_seconds=None))
