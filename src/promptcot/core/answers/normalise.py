r"""One spelling for what LaTeX can write in many ways, without changing what is meant.

Takes off mathematical delimiters, boxes, spacing, sizes and fonts, and writes relations, fractions and degrees in one
way. Numbers stay as they are written, and so does the order of things.
"""

from __future__ import annotations

import re
from functools import lru_cache

from promptcot.core.answers.brackets import closing
from promptcot.core.answers.characters import in_latex
from promptcot.core.answers.spelling import as_latex, undressed, without_ordinals

_ENVIRONMENT = r"(?:p|b|v|B|V|small)?matrix\*?"
_RULES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"(\d)\s*(?:,\s*\\!|\\!\s*,|\{,\}|\\,)\s*(?=\d{3}(?!\d))", r"\1,"),  # 10,\!080 and 10{,}080
        (r"\\left(?![a-z])\s*\.?|\\right(?![a-z])\s*\.?|\\(?:[bB]igg?[lrm]?|displaystyle|limits)(?![a-zA-Z])", ""),
        (r"(?<!\\)\\(?:!|,|;|:|>|q?quad(?![a-zA-Z])| )|~", " "),
        (r"\*\*", "^"),
        (r"\*(?!\s*\{)", r"\\cdot "),
        (r"\\[dtc]frac(?![a-z])", r"\\frac"),
        (r"\\(?:leq?|leqslant)(?![a-z])|<=", r"\\le "),
        (r"\\(?:geq?|geqslant)(?![a-z])|>=", r"\\ge "),
        (r"\\neq?(?![a-z])|!=", r"\\ne "),
        (r"\\lt(?![a-z])", "<"),
        (r"\\gt(?![a-z])", ">"),
        (r"\\lbrace(?![a-z])", r"\\{"),
        (r"\\rbrace(?![a-z])", r"\\}"),
        (r"\\lbrack(?![a-z])", "["),
        (r"\\rbrack(?![a-z])", "]"),
        (r"\\(?:emptyset|varnothing)(?![a-z])|\\\{\s*\\\}", r"\\emptyset "),
        (r"\\(?:cong|simeq|thickapprox)(?![a-z])", r"\\approx "),
        (r"\\ldots|\\dots[a-z]?|\\cdots|…|\.\.\.+", r"\\ldots "),
        (r"\\(?:degree|deg)(?![a-z])|\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![a-z])", r"^\\circ "),
        (r"\\begin\{" + _ENVIRONMENT + r"\}", r"\\begin{pmatrix}"),
        (r"\\end\{" + _ENVIRONMENT + r"\}", r"\\end{pmatrix}"),
        (r"[\[(]?\s*\\begin\{array\}\s*\{[^{}]*\}(.*?)\\end\{array\}\s*[\])]?", r"\\begin{pmatrix}\1\\end{pmatrix}"),
        (r"\\(?:overset\s*\{\s*\\(?:frown|smallfrown)\s*\}|overparen|wideparen|arc|widehat)\s*\{\s*([A-Z]['A-Z_\d]+)\s*\}", r"\\widehat{\1}"),
        (r"\\(?:overrightarrow|vec|overset\s*\{\s*\\(?:long)?rightarrow\s*\})\s*\{\s*([A-Z]['A-Z_\d]+)\s*\}", r"\\overrightarrow{\1}"),
        (r"\\overleftarrow\s*\{\s*([A-Z])\s*([A-Z])\s*\}", r"\\overrightarrow{\2\1}"),
        (r"\\(?:mathbf|boldsymbol|mathit|mathsf|bm|overrightarrow|vec)\s*(?=\{(?![A-Z]['A-Z_\d]+\}))", ""),
        (r"\\(?:text|textrm|mathrm|operatorname)\*?\s*\{\s*(gcd|lcm|arc(?:sin|cos|tan)|sin|cos|tan|cot|sec|csc|ln|log|exp|max|min)\s*\}(?=\s*[({\\\[]|\s*$|\s+[a-z\d])", r"\\\1 "),
        (r"\\(?:text|textbf|textrm|textit|textnormal|texttt|mathrm|mbox|hbox|operatorname)\*?(?![a-z])", r"\\text"),
        (r"\\frac\s*\{\s*(\\text\s*\{[^{}]*\})\s*\}\s*\{\s*(\\text\s*\{[^{}]*\})\s*\}", r"\1/\2"),
        (r"\\text\s*\{\s*,?\s*(and|or)\s*,?\s*\}", r" \1 "),
        (r"\\text\s*\{\s*,\s*\}", r" , "),
        (r"\\text\{([ei])\}", r"\1"),
        (r"\\text\{\s*infinity\s*\}", r"\\infty"),
        (r"(?<![\d}\s/])\\text\{([a-zA-Z])\}(?=\s|$|[-+)=^}_,])", r"\1"),
        (r"\\langle\s*((?:[^\\,]|\\(?!rangle))*,.*?)\\rangle(?![a-z])", r"(\1)"),
        (r"\\(?:tbinom|dbinom)(?![a-z])", r"\\binom"),
        (r"\\infinity", r"\\infty"),
        (r"\+\s*\\infty", r"\\infty"),
        (r"(?:\\\$|US\\\$)\s*(\d[\d,]*(?:\.\d+)?(?:\s*\\text\s*\{\s*[a-z]+\s*\}|\s+[mb]illion)?)(?![\d/])", r"\1\\text{ dollars}"),
        (r"\\\$|\\euro|€|£", ""),
        (r"\\\\?(?=%)", ""),
        (r"([_^])\s*\{\s*(\w)\s*\}", r"\1\2"),
        (r"\s+", " "),
    ]
]
_QUALIFIED = re.compile(
    r"(?<=\S)[\s,;]*(?:\\text\s*\{[\s,(]*)?(?<![a-zA-Z])for\s+(?:all|any|every|each|some|arbitrary)(?![a-zA-Z]).*$|(?<=\S)[\s,;]*\\forall(?![a-z]).*$",
    re.DOTALL,
)
_PRIMES = re.compile(r"\^\s*(?:\{\s*(?:\\prime\s*)+\}|\\prime(?![a-z]))")
_DOUBLED = re.compile(r"\\\\(?=(?:begin|frac|[dt]frac|sqrt|left|boxed|text|pi|le|ge|in|cup|infty|times|cdot)(?![a-z]))")
_OUTER = [("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")]
_MATHEMATICAL = re.compile(r"[\d=+<>^_]|(?<=\s)-|\b[a-z]\b(?=.*[()])")
_BOX = re.compile(r"\\(?:boxed|fbox|displaystyle)\s*(?=\{)")


def _unwrapped(text: str) -> str:
    """Without the delimiters around the whole: dollars, boxes, trailing dots."""
    while True:
        before, text = text, text.strip().rstrip(".;,").strip()
        text = text.removesuffix("\\") if not text.endswith("\\\\") else text[:-2]
        for start, end in _OUTER:
            inside = text[len(start) : -len(end)]
            if text.startswith(start) and text.endswith(end) and len(text) >= len(start + end) and start not in inside:
                text = inside
        box = _BOX.match(text)
        if box and closing(text, box.end()) == len(text):
            text = text[box.end() + 1 : -1]
        if text.startswith(r"\text{") and closing(text, 5) == len(text) and _MATHEMATICAL.search(text, 6):
            text = text[6:-1]
        if text == before:
            return text


@lru_cache(maxsize=8192)
def normalise(text: str) -> str:
    """`text` in the one spelling that the other modules of this folder read. Idempotent in meaning, not in letters."""
    text = undressed(in_latex(text))
    if _DOUBLED.search(text) and not re.search(r"(?<!\\)\\(?:begin|frac|sqrt)", text):
        text = text.replace("\\\\", "\\")
    text = _unwrapped(text)
    text = _PRIMES.sub(lambda primes: "'" * primes[0].count("prime"), text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = as_latex(without_ordinals(_QUALIFIED.sub("", text) or text))
    return _unwrapped(re.sub(r"\$(?!\d)|(?<!\S)\$|^\$", " ", text)).strip()


def compact(text: str) -> str:
    """Letters of a normalised text without blanks and without optional braces: for equality, not for reading."""
    return re.sub(r"\{(\w)\}", r"\1", re.sub(r"(?<!\d) | (?!\d)", "", text))
