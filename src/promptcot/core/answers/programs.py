r"""Converts program output to LaTeX: Fraction(3, 4), np.sqrt(2), [[1, 2], [3, 4]], Interval.open(0, 1), FiniteSet(1,
2).

Decides which names belong to Python, NumPy and SymPy. `spelling` handles functions with the same name in mathematics,
such as sqrt and sin. C(10, 4) is kept, because it may be a point with a name; `exact` decides that.
"""

from __future__ import annotations

import re

from promptcot.core.answers.brackets import closing, split

_MODULE = re.compile(r"(?<![a-zA-Z\\])(?:np|numpy|math|cmath|sympy|sp)\.(?=[a-zA-Z])")
_CALL = re.compile(
    r"(?:\\text\s*\{\s*)?(?<![a-zA-Z\\])(Fraction|Rational|Integer|Matrix|array|Interval(?:\.(?:open|Lopen|Ropen))?|Union"
    r"|FiniteSet|set|Eq|comb|nCr|S(?=\(-?\d+\)\s*[/*]))(?:\s*\})?(?=\()"
)
_CHOOSE = re.compile(
    r"(?<![\w\\.])(?:\\text\s*\{\s*)?(\d+)\s*(?:C|choose)\s*(\d+)(?:\s*\})?(?![\w.])"
    r"|\\(?:text|mathrm)\s*\{\s*C\s*\}\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)"
    r"|(?:(?<=[-+\d*/)}])|(?<=\\cdot)|(?<=\\times))\s*C\(\s*(\d+)\s*,\s*(\d+)\s*\)"
    r"|(?<![a-zA-Z\\}])C\(\s*(\d+)\s*,\s*(\d+)\s*\)(?=\s*(?:[-+*/]|\\(?:cdot|times)))"
)
_POSSIBLE = re.compile(r"[a-zCP]\.|[a-zA-Z}]\(|\[\[|\dC|\d C|choose")
_COMMA = re.compile(",")
_ENDS = {"Interval": "[]", "Interval.open": "()", "Interval.Lopen": "(]", "Interval.Ropen": "[)"}
_LONGEST, _MOST = 2000, 50


def without_programs(text: str) -> str:
    """`text` with program calls converted to LaTeX; unchanged if it is long or has none."""
    if len(text) > _LONGEST or not _POSSIBLE.search(text):
        return text
    text = _CHOOSE.sub(_binomial, _MODULE.sub("", text))
    for _ in range(_MOST):
        calls = list(_CALL.finditer(text))
        end = closing(text, calls[-1].end()) if calls else None
        if not calls or end is None:
            break
        call = calls[-1]
        call_in_latex = _written(call[1], text[call.end() + 1 : end - 1])
        if call_in_latex is None:
            break
        text = text[: call.start()] + call_in_latex + text[end:]
    bare = text.strip(" $")
    rows = _rows(bare) if bare.startswith("[[") else None
    return _matrix(rows) if rows else text


def _binomial(match: re.Match[str]) -> str:
    above, below = (part for part in match.groups() if part is not None)
    return rf"\binom{{{above}}}{{{below}}}"


def _written(name: str, inside: str) -> str | None:
    """A call in LaTeX; None if the arguments do not fit the function."""
    arguments = [argument.strip() for argument in split(inside, _COMMA)]
    if name in _ENDS:
        ends = _ENDS[name]
        return f"{ends[0]}{arguments[0]},{arguments[1]}{ends[1]}" if len(arguments) == 2 else None
    if name in ("Matrix", "array"):
        rows = _rows(inside.strip())
        return _matrix(rows) if rows else f"({inside.strip()[1:-1]})" if inside.strip()[:1] == "[" else None
    if name == "Union":
        return r" \cup ".join(arguments)
    if name in ("FiniteSet", "set"):
        return rf"\{{{inside.strip().removeprefix('[').removesuffix(']')}\}}"
    if len(arguments) == 1:
        return f"({inside})" if name in ("S", "Integer", "Rational", "Fraction") else None
    if len(arguments) != 2:
        return None
    return {
        "Eq": f"{arguments[0]}={arguments[1]}",
        "comb": rf"\binom{{{arguments[0]}}}{{{arguments[1]}}}",
        "nCr": rf"\binom{{{arguments[0]}}}{{{arguments[1]}}}",
    }.get(name, rf"\frac{{{arguments[0]}}}{{{arguments[1]}}}" if name in ("Fraction", "Rational") else None)


def _rows(text: str) -> list[list[str]] | None:
    """The rows of [[1, 2], [3, 4]]; None unless all are lists of the same length."""
    if not text.startswith("[") or closing(text, 0) != len(text):
        return None
    rows = [row.strip() for row in split(text[1:-1], _COMMA)]
    if not all(row.startswith("[") and row.endswith("]") for row in rows):
        return None
    entries = [[entry.strip() for entry in split(row[1:-1], _COMMA)] for row in rows]
    return entries if len({len(row) for row in entries}) == 1 and (len(rows) > 1 or len(entries[0]) > 1) else None


def _matrix(rows: list[list[str]]) -> str:
    return r"\begin{pmatrix}" + r" \\ ".join(" & ".join(row) for row in rows) + r"\end{pmatrix}"
