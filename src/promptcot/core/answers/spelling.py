r"""Rewrites mathematics that is not standard LaTeX: sqrt(2)/2, \frac2\pi, {n \choose k}, sin(x), 1e-3, 12th.

Decides which plain words are functions and constants, and what an argument without braces is: as in TeX, the next
token. Words within \text are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from promptcot.core.answers.brackets import closing, deepest

_LONGEST, _DEEPEST = 2000, 100

_ARGUMENTS = {r"\frac": 2, r"\binom": 2, r"\sqrt": 1}
_BAR = re.compile(r"\\(?:overline|bar)\s*\{")
_IMAGINARY = re.compile(r"(?<![a-zA-Z\\])i(?![a-zA-Z])")
_COMPLEX = re.compile(r"(?>\\(?:frac|sqrt|cdot|pi)|[\di+\-/^(){} .])+")
_MACRO = re.compile(r"\\(?:frac|binom|sqrt)(?![a-zA-Z])")
_ROW_OF_MACROS = re.compile(r"(?:\\(?:frac|binom|sqrt)\s*){60}")
_NEXT = re.compile(r"\s*(\\[a-zA-Z]+|[^\s{}\\])")
_OPTION = re.compile(r"\s*\[[^\[\]]*\]")
_TEXT = re.compile(r"\\text\s*\{[^{}]*\}")
_CHOOSE = re.compile(r"\\choose(?![a-zA-Z])")

_SAME = "sin cos tan cot sec csc sinh cosh tanh coth ln log exp gcd lcm max min arcsin arccos arctan"
_NAMES = {name: name for name in _SAME.split()} | {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "lg": "log_{10}",
}
_FUNCTION = re.compile(rf"(?<![\\a-zA-Z])({'|'.join(sorted(_NAMES, key=len, reverse=True))})(?=\s*[(^])", re.IGNORECASE)
_APPLIED = re.compile(r"(?<![\\a-zA-Z])(sin|cos|tan|cot|ln|log)(?=\s+[a-zA-Z0-9\\])")
_CALLED = re.compile(
    r"(?:(?<![\\a-zA-Z])|\\)(sqrt|cbrt|binom|binomial|abs|factorial|floor|ceil|ceiling)\s*(?=\()", re.IGNORECASE
)
_AROUND = {
    "abs": ("|", "|"),
    "cbrt": (r"\sqrt[3]{", "}"),
    "sqrt": (r"\sqrt{", "}"),
    "factorial": ("(", ")!"),
    "floor": (r"\lfloor ", r"\rfloor "),
    "ceil": (r"\lceil ", r"\rceil "),
    "ceiling": (r"\lceil ", r"\rceil "),
}
_NUMBERED = re.compile(r"(^|[,;]\s*)([a-zA-Z])(\d{1,2})(?=\s*=)")
_CIS = re.compile(
    r"(?:\\text\s*\{\s*cis\s*\}|\\?(?<![a-zA-Z])cis(?![a-zA-Z]))\s*"
    r"(\([^()]*\)|\\frac\s*\{[^{}]*\}\s*\{[^{}]*\}|\d+\s*\^?\s*\\circ(?![a-z])|\\[a-z]+|[a-z])"
)
_RAISED = re.compile(r"([\^_])\s*(?=\()")
_PI = re.compile(r"(?<![\\a-zA-Z])(?:pi|Pi|PI)(?![a-zA-Z])")
_GREEK = re.compile(r"(?<![\\a-zA-Z])(alpha|beta|gamma|delta|theta|lambda|mu|phi|omega|sigma|rho)(?![a-zA-Z])")
_INFINITY = re.compile(r"(?<![\\a-zA-Z])(?:infinity|inf|oo)(?![a-zA-Z])", re.IGNORECASE)
_ORDINAL = re.compile(
    r"(\d)\s*(?:\^\s*\{?\s*(?:\\text\s*\{\s*)?(?:st|nd|rd|th)\s*\}*|\\text\s*\{\s*(?:st|nd|rd|th)\s*\}|(?:st|nd|rd|th)(?![a-zA-Z]))"
)
_SIZED = re.compile(
    r"(?<!\\)\\(?:tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge|rm|bf|it|sf|tt|sl|cal|displaystyle"
    r"|textstyle|scriptstyle|limits|nolimits|mathstrut|strut)(?![a-zA-Z])"
)
_COLOURED = re.compile(r"\\(?:color|textcolor|colorbox)\s*(?:\[[^\[\]]*\])?\s*\{[^{}]*\}")
_TAGGED = re.compile(r"<(b|i|em|strong|code|u|p|span)>([^<>]*)</\1>")
_SPACED = re.compile(r"\\(?:hspace|vspace|hskip|kern|phantom|hphantom|vphantom)\*?\s*\{[^{}]*\}")


def undressed(text: str) -> str:
    """The text without colours, sizes, old fonts, spacing, and HTML emphasis."""
    if "</" in text:
        text = _TAGGED.sub(r"\2", text)
    if "\\" not in text:
        return text
    return _SIZED.sub(" ", _SPACED.sub(" ", _COLOURED.sub(" ", text)))


def without_ordinals(text: str) -> str:
    """12th and 12^{th} as 12."""
    return _ORDINAL.sub(r"\1", text)


def as_latex(text: str) -> str:
    """The text in standard LaTeX, except in text commands: plain functions and constants, arguments in braces."""
    if "cis" in text:
        text = _CIS.sub(_cosine_and_sine, text)
    found, last = [], 0
    for part in _TEXT.finditer(text):
        found += [_as_latex(text[last : part.start()]), part[0]]
        last = part.end()
    return _conjugated(braced(chosen("".join([*found, _as_latex(text[last:])]))))


def _conjugated(text: str) -> str:
    r"""\overline{3+4i} as (3+4(-i)), if it contains a complex number; segments and repeating digits stay."""
    place = 0
    while bar := _BAR.search(text, place):
        place = bar.end()
        end = closing(text, bar.end() - 1)
        inside = text[bar.end() : end - 1] if end else ""
        if end and _IMAGINARY.search(inside) and _COMPLEX.fullmatch(inside):
            text = text[: bar.start()] + f"({_IMAGINARY.sub('(-i)', inside)})" + text[end:]
    return text


def _cosine_and_sine(match: re.Match[str]) -> str:
    angle = match[1] if match[1].startswith("(") else f"({match[1]})"
    return rf"(\cos{angle}+i\sin{angle})"


def _as_latex(text: str) -> str:
    if not re.search(r"[a-z(]", text, re.IGNORECASE):
        return text
    text = _NUMBERED.sub(r"\1\2_{\3}", _called(text))
    text = _FUNCTION.sub(lambda match: f"\\{_NAMES[match[1].lower()]}", text)
    text = _APPLIED.sub(r"\\\1", text)
    text = _GREEK.sub(r"\\\1 ", _PI.sub(r"\\pi ", text))
    text = _INFINITY.sub(r"\\infty ", text)
    return _grouped(_RAISED, text, lambda sign, inside: f"{sign[1]}{{{inside}}}")


def _called(text: str) -> str:
    def written(match: re.Match[str], inside: str) -> str:
        name = match[1].lower()
        if name.startswith("binom"):
            above, comma, below = inside.partition(",")
            return rf"\binom{{{above.strip()}}}{{{below.strip()}}}" if comma else f"{match[0]}({inside})"
        before, behind = _AROUND[name]
        return f"{before}{inside}{behind}"

    return _grouped(_CALLED, text, written)


def _grouped(start: re.Pattern[str], text: str, written: Callable[[re.Match[str], str], str]) -> str:
    """Rewrites each match before a parenthesis, together with the content of that, by `written`; innermost last."""
    place = 0
    while match := start.search(text, place):
        end = closing(text, match.end())
        if end is None or end - match.end() > _LONGEST:
            return text
        now = written(match, text[match.end() + 1 : end - 1])
        if now == text[match.start() : end]:
            place = match.end()
            continue
        text = text[: match.start()] + now + text[end:]
        place = match.start() + 1
    return text


def chosen(text: str) -> str:
    r"""{n \choose k} as \binom{n}{k}."""
    while match := _CHOOSE.search(text):
        start, end = _around(text, match.start())
        above, below = text[start : match.start()].strip(), text[match.end() : end].strip()
        binomial = rf"\binom{{{above}}}{{{below}}}"
        outer = start > 0 and end < len(text)
        text = text[: start - outer] + binomial + text[end + outer :]
    return text


def _around(text: str, place: int) -> tuple[int, int]:
    """The bounds of the content of the braces around a position; those of the whole text if there are none."""
    opened: list[int] = []
    for brace in re.finditer(r"(?<!\\)[{}]", text):
        if brace[0] == "{":
            opened.append(brace.end())
        elif opened:
            start = opened.pop()
            if start <= place < brace.start():
                return start, brace.start()
    return 0, len(text)


def braced(text: str) -> str:
    r"""The text with arguments of \frac, \binom and \sqrt in braces; very deeply nested text is unchanged."""
    deep = deepest(text) > _DEEPEST or _ROW_OF_MACROS.search(text)
    return text if deep or not _MACRO.search(text) else _braced(text)


def _braced(text: str) -> str:
    pieces, last = [], 0
    while macro := _MACRO.search(text, last):
        whole, end = _macro(text, macro)
        pieces += [text[last : macro.start()], whole]
        last = end
    return "".join([*pieces, text[last:]])


def _macro(text: str, macro: re.Match[str]) -> tuple[str, int]:
    """A macro with its arguments in braces, and the position where these end."""
    found, place = [macro[0]], macro.end()
    if macro[0] == r"\sqrt" and (option := _OPTION.match(text, place)):
        found.append(option[0].strip())
        place = option.end()
    for _ in range(_ARGUMENTS[macro[0]]):
        argument, place = _argument(text, place)
        found.append(argument)
    return "".join(found), place


def _argument(text: str, place: int) -> tuple[str, int]:
    place += len(text) - place - len(text[place:].lstrip())
    if text[place : place + 1] == "{":
        end = closing(text, place)
        return (text[place:], len(text)) if end is None else (f"{{{_braced(text[place + 1 : end - 1])}}}", end)
    if macro := _MACRO.match(text, place):
        whole, end = _macro(text, macro)
        return f"{{{whole}}}", end
    token = _NEXT.match(text, place)
    return (f"{{{token[1]}}}", token.end()) if token else ("", place)
