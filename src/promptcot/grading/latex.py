r"""Parses LaTeX into SymPy objects with Math-Verify's parser. Runs only in worker processes.

Decides what is rewritten before parsing: mixed numbers, degrees, directed segments, letters that the parser would take
for constants or lower, and inverse functions, which it would take for powers. Text that cannot be parsed gives None;
`values` compares the objects.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any

from latex2sympy2_extended import NormalizationConfig
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

from promptcot.core.answers.brackets import deepest, split
from promptcot.core.answers.estimate import INVERSE

logging.getLogger("latex2sympy2_extended").setLevel(logging.CRITICAL)

_DEEPEST = 100  # the parser's time is quadratic in the depth, and it uses the stack
# Without the parser's units, which take the t of "1 + t" for tonnes.
_SPELLING = NormalizationConfig(basic_latex=True, malformed_operators=True, nits=True, boxed="none")
_READING = ConversionConfig(lowercase_symbols=False)
_EQUALS = re.compile("=")
_MIXED = re.compile(r"(?<![\d.}_^])(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}")
_IN_DEGREES = re.compile(r"(\d+(?:\.\d+)?|\([^()]*\))\s*\^\s*\{?\\circ(?![a-z])\}?")
# Letters that the parser does not know or takes for constants are renamed, with a number that no answer contains.
_UNKNOWN = {"hbar": 99, "ell": 98, "gamma": 97, "Gamma": 96}
_INDEXED = re.compile(r"(?<![a-zA-Z\\])([eE])_(?:\{(\w+)\}|(\w))")
_PRIMED = re.compile(r"([a-zA-Z])('+)")
_LETTERS = re.compile(rf"\\({'|'.join(_UNKNOWN)})(?![a-zA-Z])")
_INVERTED = {"coth": "tanh", "sech": "cosh", "csch": "sinh"}  # the parser takes these for cot, sec and csc
_HYPERBOLIC = re.compile(r"\\(coth|sech|csch)\s*(\([^()]*\)|\w|\\[a-z]+)")
_LEFT_OVER = re.compile(r"\\(?:coth|sech|csch)")
_SCRIPT = re.compile(r"([_^])([a-zA-Z])(?![a-zA-Z])")  # the parser cannot read an integral up to a bare e
_DIRECTED = re.compile(r"\\(overrightarrow|widehat)\{([A-Z]+)\}")
_DOUBLE = re.compile(r"\(2\s*([a-z])\s*(?:([-+])\s*(\d{1,2})\s*)?\)\s*!!(?!!)")
_ANGULAR = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)")


@lru_cache(maxsize=1024)
def read_latex(text: str) -> Any | None:
    """The SymPy object of a normalised text; None if it cannot be parsed, or only as text."""
    if deepest(text) > _DEEPEST or len(split(text, _EQUALS)) > 2:
        return None  # the parser keeps only the ends of a = b = c
    text = _DOUBLE.sub(_with_single_factorials, text)
    text = _MIXED.sub(_sum_if_proper, text)
    text = _IN_DEGREES.sub(r"(\1 \\cdot \\frac{\\pi}{180})", text)
    text = re.sub(r"\s*\^\\circ(?![a-z])", r" \\cdot \\frac{\\pi}{180} " if _ANGULAR.search(text) else "", text)
    text = _DIRECTED.sub(_as_symbol, text)
    text = _LETTERS.sub(lambda letter: f"{letter[1][0]}_{{{_UNKNOWN[letter[1]]}}}", text)
    text = _INDEXED.sub(lambda letter: f"z_{{{ord(letter[1])}0{letter[2] or letter[3]}}}", text)
    text = _PRIMED.sub(lambda letter: f"{letter[1]}_{{95{len(letter[2])}}}", text)
    text = INVERSE.sub(r"\1_{94}", text)
    text = _HYPERBOLIC.sub(lambda found: rf"\frac{{1}}{{\{_INVERTED[found[1]]}{{{found[2]}}}}}", text)
    text = _SCRIPT.sub(r"\1{\2}", text)
    if "\\text" in text or "'" in text or _LEFT_OVER.search(text):
        return None  # words that are not units, and minutes without degrees
    try:
        found = latex2sympy(text, normalization_config=_SPELLING, conversion_config=_READING)
    except (RecursionError, MemoryError):
        raise
    except Exception:  # the parser does not document its exceptions
        return None
    return found


def _with_single_factorials(match: re.Match[str]) -> str:
    """(2n)!! as 2^n n!, and (2n-1)!! as (2n)! / (2^n n!)."""
    letter, shift = match[1], int((match[2] or "") + (match[3] or "0"))
    half = f"({letter}+{(shift + 1) // 2})"
    even = f"(2^{{{half}}} \\cdot {half}!)"
    return even if shift % 2 == 0 else rf"\frac{{(2 {half})!}}{{{even}}}"


def _as_symbol(match: re.Match[str]) -> str:
    """A directed segment as one symbol: the vector BA is minus AB; an arc from B to A differs from one from A to B."""
    kind, points = match.groups()
    if kind == "overrightarrow" and len(points) == 2 and points[1] < points[0]:
        return f"(-v_{{{points[::-1]}}})"
    return f"{kind[0].replace('o', 'v')}_{{{points}}}"


def _sum_if_proper(match: re.Match[str]) -> str:
    whole, above, below = match.groups()
    return f"({whole}+\\frac{{{above}}}{{{below}}})" if int(above) < int(below) else match[0]
