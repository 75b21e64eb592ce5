r"""Text with formulas as HTML: `$…$`, `$$…$$`, `\(…\)`, `\[…\]` and environments become MathML, the rest is escaped.

Decides where a formula begins and ends, and which dollars are amounts of money. Formulas that cannot be converted are
shown as their source, and counted. Drawings in Asymptote are folded.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from promptcot.pages.latex import NotShown
from promptcot.pages.mathml import mathml
from promptcot.printable import printable

_ENVIRONMENTS = "align|aligned|alignat|gather|gathered|equation|eqnarray|multline|flalign|split|cases|array|tabular"
_ENVIRONMENTS += "|matrix|pmatrix|bmatrix|vmatrix|Vmatrix|Bmatrix|smallmatrix"
_BEGINS = re.compile(
    rf"(?P<escaped>\\[$\\](?![\[(]))|(?P<asy>\[asy\])|(?P<block>\$\$|\\\[)|(?P<inline>\$|\\\()"
    rf"|\\begin\s*\{{(?P<name>(?:{_ENVIRONMENTS})\*?|asy|tikzpicture)\}}"
)
_ENDS = {"$$": re.compile(r"(?<!\\)\$\$"), "\\[": re.compile(r"\\\]"), "\\(": re.compile(r"\\\)")}
_DOLLAR = re.compile(r"\\.|[{}$]|\n[ \t]*\n", re.DOTALL)
_TEXTS = re.compile(r"\\(?:text\w*|mbox|hbox|operatorname|mathrm|mathit|mathbf)\s*\{[^{}]*\}|\\[a-zA-Z]+")
_WORD = re.compile(r"(?<![\w{\\])[A-Za-z]{3,}(?![\w}])")
_REACH = 20_000
"""The number of characters in which the end of a formula is searched: more than a converted formula may have."""
_PATIENCE = 50 * _REACH
"""The number of characters of a text that may be searched in vain for the ends of formulas; the rest is then shown as
it is."""
_BLOCK = '<span class="formula'
_LINE_END, _LINE_START = re.compile(r"[ \t]*\n[ \t]*$|[ \t]+$"), re.compile(r"[ \t]*\n?")
_LONG = 45
"""Formulas with more characters of source may be wider than a phone, and get a scroll bar of their own."""


_Span = tuple[int, int, int]


class Formulas:
    """Converts texts and counts formulas: `shown` as MathML, `as_source` where that is not possible."""

    def __init__(self) -> None:
        self.shown = 0
        self.as_source = 0

    def html(self, text: str) -> Markup:
        """The text as HTML for within a `<div>`. Everything that is not a formula is escaped."""
        text, parts, place, vain = text.strip(), list[Markup](), 0, 0
        while vain < _PATIENCE and (found := _BEGINS.search(text, place)):
            before = text[place : found.start()]
            span = _span(text, found)
            if isinstance(span, int):
                vain += span
                part, place = _plain(found[0]), found.end()
            else:
                part, place = self._formula(text, found, span)
            if part.startswith(_BLOCK):  # it stands on a line of its own anyway
                before = _LINE_END.sub("", before)
                rest = _LINE_START.match(text, place)
                place = rest.end() if rest else place
            parts += [_plain(before), part]
        parts.append(_plain(text[place:]))
        return Markup("").join(parts)

    def _formula(self, text: str, begin: re.Match[str], span: _Span) -> tuple[Markup, int]:
        """The HTML of what begins here, and where the text continues."""
        start, stop, end = span
        if begin["escaped"]:
            return _plain(text[start:stop]), end
        if begin["asy"] or begin["name"] in ("asy", "tikzpicture"):
            return _folded(text[begin.start() : end]), end
        block = begin["inline"] is None
        return self.formula(text[start:stop], text[begin.start() : end], block=block), end

    def formula(self, source: str, written: str, *, block: bool) -> Markup:
        """One formula; `written` is shown if it cannot be converted."""
        if not source.strip():
            return _plain(written)
        try:
            made = mathml(source, block)
        except NotShown:
            self.as_source += 1
            return Markup('<code class="tex">{}</code>').format(_plain(written))
        self.shown += 1
        long = len(source) > _LONG
        if block:
            return Markup(_BLOCK + '"{}>{}</span>').format(Markup(' tabindex="0"') if long else "", made)
        return Markup('<span class="wide" tabindex="0">{}</span>').format(made) if long else made


def _span(text: str, begin: re.Match[str]) -> _Span | int:
    """Where the source of a formula starts and stops, and where its closing delimiter ends.

    Where it has none, the number of characters that were searched.
    """
    if begin["escaped"]:
        return begin.end() - (1 if begin[0] == "\\$" else len(begin[0])), begin.end(), begin.end()
    searched = min(_REACH, len(text) - begin.end())
    if begin["asy"] or begin["name"]:
        closing = "[/asy]" if begin["asy"] else f"\\end{{{begin['name']}}}"
        end = text.find(closing, begin.end(), begin.end() + _REACH)
        return searched if end < 0 else (begin.start(), end + len(closing), end + len(closing))
    if begin[0] == "$":
        return _between_dollars(text, begin.end())
    found = _ENDS[begin[0]].search(text, begin.end(), begin.end() + _REACH)
    return searched if found is None else (begin.end(), found.start(), found.end())


def _between_dollars(text: str, start: int) -> _Span | int:
    r"""A formula between single dollars, unless it is money. Braces count: `\text{if $x$}` has dollars within it."""
    depth = 0
    limit = min(len(text), start + _REACH)
    for found in _DOLLAR.finditer(text, start, limit):
        if found[0] == "$" and depth <= 0:
            inner = text[start : found.start()]
            if _is_prose(inner, text[found.end() : found.end() + 1]):
                return 0  # each pair of neighbours is read once
            return start, found.start(), found.end()
        if found[0][0] == "\n":
            return found.end() - start
        depth += {"{": 1, "}": -1}.get(found[0], 0)
    return limit - start


def _is_prose(inner: str, after: str) -> bool:
    """Whether what is between two dollars is text between two amounts of money."""
    words = _WORD.findall(_TEXTS.sub(" ", inner))
    if re.match(r"\d", inner) and inner[-1:].isspace() and "\\" not in inner:
        return True
    if after.isdigit() and (inner[-1:].isspace() or re.match(r"\s*\d", inner)):
        return True
    if re.match(r"\s*\d", inner) and not re.search(r"[\\^_={}]", inner):
        return bool(re.search(r"[A-Za-z]{2,}\s|\s[A-Za-z]{2,}", inner))
    return inner[:1].isspace() and len(words) > 1 and not re.search(r"[\\^_=]", inner)


def _plain(text: str) -> Markup:
    return escape(printable(text))


def _folded(source: str) -> Markup:
    label = Markup("<summary>a drawing, as its source</summary>")
    return Markup('<details class="drawing">{}<pre tabindex="0">{}</pre></details>').format(label, _plain(source))
