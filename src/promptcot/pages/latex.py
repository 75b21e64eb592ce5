r"""Rewrites LaTeX from people and models into LaTeX that latex2mathml converts correctly.

Decides which commands are replaced, and which are refused because they cannot be shown as written: definitions of
macros, links and styles. `mathml` does the conversion.
"""

from __future__ import annotations

import re

LONGEST = 5_000
"""The most characters of a formula that is converted; longer ones are shown as source."""
_DEEPEST = 40
_REFUSED = re.compile(
    r"\\(?:(?:re|provide)?newcommand|newenvironment|[egx]?def|let|DeclareMathOperator|href|url|style|class|cssId"
    r"|html[A-Z]\w*|unicode|require|input|include|includegraphics|write|verb|rule|newcounter|catcode|csname|special"
    r"|multicolumn|multirow|tikz)(?![a-zA-Z])"
)
_PRIVATE = re.compile("[\ue000-\ue00f\x00]")
OPEN, CLOSE, AMPERSAND = "\ue001", "\ue002", "\ue003"
"""Placeholders for characters that latex2mathml reads as commands; `mathml` replaces them again."""

_REPLACED = [
    (re.compile(r"\\&"), AMPERSAND),
    (re.compile(r"\\(?:overarc|wideparen|overgroup|arc)(?![a-zA-Z])"), r"\\overparen"),
    (re.compile(r"\\textdollar(?![a-zA-Z])"), r"\\$"),
    (re.compile(r"\\(?:ensuremath|relax|allowbreak|nobreak|noindent|centering|null|strut|mathstrut)(?![a-zA-Z])"), ""),
    (re.compile(r"\\label\s*\{[^{}]*\}"), ""),
    (re.compile(r"\\lbrack(?![a-zA-Z])"), "["),
    (re.compile(r"\\rbrack(?![a-zA-Z])"), "]"),
    (re.compile(r"\\(?:textdegree|degree)(?![a-zA-Z])"), r"^\\circ "),
    (re.compile(r"\\textcolor\s*\{[^{}]*\}"), ""),
    (re.compile(r"\\color\s*(?:\[[^][{}]*\])?\s*(?:\{[^{}]*\}|[a-z]+)"), ""),
    (re.compile(r",\s*\\!"), "{,}"),
    (re.compile(r"(?<=\\\\)\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\]"), " "),
    (re.compile(r"(?<!\\)((?:\\\\)*)%"), r"\1\\%"),
    (re.compile(r"\\(?:vspace|hspace)\*"), r"\\hspace"),
    (re.compile(r"\\vspace\s*\{[^{}]*\}"), ""),
    (re.compile(r"\\cr(?![a-zA-Z])"), r"\\\\"),
    (re.compile(r"\\framebox(?![a-zA-Z])"), r"\\boxed"),
    (re.compile(r"(\\[dt]?binom)\s*(\d)\s*(\d)"), r"\1{\2}{\3}"),
    (re.compile(r"\\cancelto\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"\\cancel{\2}^{\1}"),
    (re.compile(r"\\cline\s*\{[\d-]+\}"), r"\\hline "),
    (re.compile(r"@\{[^{}]*\}"), ""),
    (re.compile(r"\\sim(?![a-zA-Z])"), "∼ "),
    (re.compile(r"\\not\s*="), r"\\neq "),
    (re.compile(r"\\not\s*<"), r"\\nless "),
    (re.compile(r"\\not\s*>"), r"\\ngtr "),
    (re.compile(r"\\pmod\s*\{((?:[^{}]|\{[^{}]*\})*)\}"), r"\\quad(\\text{mod }{\1})"),
]
_TEXT = re.compile(r"\\(text(?:bf|it|md|normal|rm|sf|tt|up)?|emph|mbox|hbox|fbox)\s*\{")
_ESCAPED = {"{": OPEN, "}": CLOSE, "$": "$", "%": "%", "&": AMPERSAND, "#": "#", "_": "_", " ": " ", ",": " ", ";": " "}
_INNER = re.compile(r"\$([^$]*)\$|\\\((.*?)\\\)", re.DOTALL)
_ALIGNED = r"\s*\{\s*(?:align|aligned|alignat|alignedat|flalign|eqnarray|split|equation)\*?\s*\}"
_CENTRED = r"\s*\{\s*(?:gather|gathered|multline|multlined)\*?\s*\}"
_ENVIRONMENTS = [
    (re.compile(r"\\begin\s*\{(alignat|alignedat)\*?\}\s*\{\d+\}"), r"\\begin{align*}"),
    (re.compile(r"\\begin" + _ALIGNED + r"(?:\s*\[[tbc]\])?"), r"\\begin{align*}"),
    (re.compile(r"\\end" + _ALIGNED), r"\\end{align*}"),
    (re.compile(r"\\begin" + _CENTRED + r"(?:\s*\[[tbc]\])?"), r"\\begin{array}{c}"),
    (re.compile(r"\\end" + _CENTRED), r"\\end{array}"),
    (re.compile(r"\\(begin|end)\s*\{(?:tabular|longtable)\}(?:\s*\[[tbc]\])?"), r"\\\1{array}"),
    (re.compile(r"\\begin\s*\{array\}\s*\[[tbc]\]"), r"\\begin{array}"),
    (re.compile(r"\\(begin|end)\s*\{dcases\*?\}"), r"\\\1{cases}"),
]

_KNOWN = {"align", "array", "cases", *(f"{kind}matrix" for kind in ("", "p", "b", "B", "v", "V", "small"))}
_BEGUN = re.compile(r"\\begin\s*\{([^{}]*)\}")


class NotShown(Exception):
    """The formula cannot be converted as it was meant."""


def normalised(source: str) -> str:
    """The formula in the words of latex2mathml. Raises NotShown where it is too long, too deep or refused."""
    if len(source) > LONGEST or _PRIVATE.search(source) or _REFUSED.search(source):
        raise NotShown
    _check_depth(source)
    text = _with_texts(source.strip())
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return _aligned(text)


def _check_depth(source: str) -> None:
    depth = 0
    for brace in re.findall(r"\\.|[{}]", source, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if not 0 <= depth <= _DEEPEST:
            raise NotShown
    if depth:
        raise NotShown


def _aligned(text: str) -> str:
    """The text with an environment around lines and columns: models write `a &= b` in `$$`, which is not LaTeX."""
    if "\\begin" in text:
        for pattern, replacement in _ENVIRONMENTS:
            text = pattern.sub(replacement, text)
        if not _KNOWN.issuperset(name.rstrip("*") for name in _BEGUN.findall(text)):
            raise NotShown
        return text
    if re.search(r"(?<!\\)(?:\\\\)*&", text) or "\\\\" in text:
        return rf"\begin{{align*}}{text}\end{{align*}}"
    return text


def _with_texts(source: str) -> str:
    r"""`\text{if $x$}` as `\text{if }x`: latex2mathml shows the argument of `\text` as it is, up to the first `}`."""
    parts, place = [], 0
    while found := _TEXT.search(source, place):
        end = _closing(source, found.end())
        parts += [source[place : found.start()], _text(found[1], source[found.end() : end])]
        place = end + 1
    return "".join([*parts, source[place:]])


def _closing(source: str, start: int) -> int:
    """The position of the brace that closes the one before `start`."""
    depth = 1
    for found in re.compile(r"\\.|[{}]", re.DOTALL).finditer(source, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    raise NotShown


def _text(command: str, content: str) -> str:
    command = "text" if command in ("mbox", "hbox", "textnormal", "textrm", "textup", "textmd") else command
    pieces, place = [], 0
    for found in _INNER.finditer(content):
        if content[found.start() - 1 : found.start()] == "\\" and found[1] is not None:
            continue
        pieces += [_words(command, content[place : found.start()]), found[1] or found[2] or ""]
        place = found.end()
    pieces.append(_words(command, content[place:]))
    return "{" + " ".join(pieces) + "}"


def _words(command: str, words: str) -> str:
    """Text without formulas as one command. Raises NotShown if it has commands, which would be shown as source."""
    plain = re.sub(r"\\([{}$%&#_ ,;])", lambda found: _ESCAPED[found[1]], words)
    plain = re.sub(r"\\(?:quad|qquad|space)(?![a-zA-Z])\s*", "  ", plain)
    nested = re.fullmatch(r"\s*\\(textbf|textit|textrm|text|emph)\s*\{([^{}]*)\}\s*", plain)
    if nested:
        return _words(nested[1], nested[2])
    plain = plain.replace("{", "").replace("}", "").replace("~", "\u00a0")
    if "\\" in plain:
        raise NotShown
    return f"\\{command}{{{plain}}}" if plain else ""
