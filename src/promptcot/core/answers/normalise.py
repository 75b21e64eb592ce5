r"""Normalizes the spelling of LaTeX without changing its meaning.

Removes mathematical delimiters, boxes, spacing, sizes and fonts, and writes relations, fractions and degrees in one
way. Numbers and the order of parts are kept.
"""

from __future__ import annotations

import re

from promptcot.core.answers.brackets import closing
from promptcot.core.answers.characters import in_latex
from promptcot.core.answers.programs import without_programs
from promptcot.core.answers.remembered import remembered
from promptcot.core.answers.rules import RULES
from promptcot.core.answers.spelling import as_latex, undressed, without_ordinals
from promptcot.core.answers.wordings import spoken

is_plain = re.compile(r"-?(?:\d{1,40}|\\frac\{\d{1,40}\}\{\d{1,40}\})", re.ASCII).fullmatch
"""Integers and fractions, the most common answers. No rule changes them, and checking all rules takes 30 µs."""
_QUALIFIED = re.compile(
    r"(?<=\S)[\s,;]*(?:(?:\\text\s*\{[\s,(]*)?(?<![a-zA-Z])for\s+(?:all|any|every|each|some|arbitrary)(?![a-zA-Z])"
    r"|\\forall(?![a-z])|\\text\s*\{\s*\(\s*(?:since|because|as|the\s+other|where|see|which|by)(?![a-z])).*$",
    re.DOTALL,
)
_LEADS = re.compile(r"^\s*\\(?:therefore|implies|Rightarrow|Longrightarrow)(?![a-z])\s*")
_PRIMES = re.compile(r"\^\s*(?:\{\s*(?:\\prime\s*)+\}|\\prime(?![a-z]))")
_DOUBLED = re.compile(r"\\\\(?=(?:begin|frac|[dt]frac|sqrt|left|boxed|text|pi|le|ge|in|cup|infty|times|cdot)(?![a-z]))")
_OUTER = [("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")]
_MATHEMATICAL = re.compile(r"[\d=+<>^_]|(?<=\s)-|\b[a-z]\b(?=.*[()])")
_STRAY = re.compile(r"\$(?!\d)|(?<!\S)\$|^\$")
_BOX = re.compile(r"\\(?:boxed|fbox|displaystyle)\s*(?=\{)")


def _ending(text: str) -> str:
    """The text without final punctuation; an ellipsis stays."""
    return text if text.endswith("..") else text.rstrip(".;,").strip()


def _unwrapped(text: str) -> str:
    """The text without dollars or boxes around it, and without trailing dots."""
    while True:
        before, text = text, _ending(text.strip(" \t\r\n`"))
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


@remembered(8192)
def normalise(text: str) -> str:
    """`text` in the spelling that the other modules of this folder parse. Repeated calls keep the meaning."""
    if is_plain(text):
        return text
    text = undressed(without_programs(in_latex(text)))
    if _DOUBLED.search(text) and not re.search(r"(?<!\\)\\(?:begin|frac|sqrt)", text):
        text = text.replace("\\\\", "\\")
    text = _unwrapped(text)
    text = _LEADS.sub("", text)
    text = _PRIMES.sub(lambda primes: "'" * primes[0].count("prime"), text)
    for rule in RULES:
        text = rule.apply(text)
    text = as_latex(without_ordinals(spoken(_QUALIFIED.sub("", text) or text)))
    return _unwrapped(_STRAY.sub(" ", text)).strip()


def compact(text: str) -> str:
    """A normalised text without blanks and optional braces, for comparing only."""
    return re.sub(r"\{(\w)\}", r"\1", re.sub(r"(?<!\d) | (?!\d)", "", text))
