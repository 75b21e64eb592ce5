r"""Normalizes answers that are short words.

"Knight", `\text{knight}`, "**the knight**" and "knight." are one text. Unchanged are the order and number of words,
marks within them (1.5 is not 15), and "a" and "an", since A is a name or a choice. Superscripts are kept.
"""

from __future__ import annotations

import re
import unicodedata

_TEXT = re.compile(r"\\(?:text[a-z]*|math[a-z]+|mbox|hbox|operatorname)\s*\{([^{}]*)\}")
_SPACES = re.compile(r"\\[,;:! ]|\\q?quad(?![a-zA-Z])|(?<!\\)~|\s+")
_COMMA = re.compile(r"\s*([,;])\s*")
_ENDS = re.compile(r"(?:[\s.,;:?。，、？：；]|(?<=[^\W\d_]{2})[!！])+$")
_BRACKETS = {"(": ")", "[": "]", "{": "}", "“": "”", "„": "“", "«": "»", "「": "」", "『": "』"}
_MARKS = "\"'`*_$"
_SPELT = str.maketrans({"’": "'", "‘": "'", "‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-"})
_DEEPEST = 8


def same_text(gold: str, answer: str) -> bool:
    """Whether two texts are equal in this spelling; an empty text equals none."""
    return bool(gold.strip()) and plain(gold) == plain(answer)


def plain(text: str) -> str:
    r"""The spelling in which texts are compared. A text that consists only of marks is unchanged.

    >>> plain(r"\text{ The  Knight}.")
    'knight'
    """
    text = _TEXT.sub(r"\1", text).translate(_SPELT)
    text = _SPACES.sub(" ", "".join(map(_character, text))).casefold()
    text = _COMMA.sub(r"\1 ", unicodedata.normalize("NFKC", text).strip())
    bare = _bare(text)
    return bare.removeprefix("the ").strip() or text


def _character(character: str) -> str:
    """A character in its compatibility form, except superscripts (10² is not 102); empty for invisible characters."""
    if unicodedata.category(character) == "Cf":
        return ""
    mark = unicodedata.decomposition(character).partition(" ")[0]
    plain_form = unicodedata.normalize("NFKC", character)
    return {"<super>": "^", "<sub>": "_"}.get(mark, "") + plain_form


def _bare(text: str) -> str:
    """The text without final marks, and without surrounding brackets and quotes."""
    for _ in range(_DEEPEST):
        text = _ENDS.sub("", text).strip()
        if len(text) < 2 or not _encloses(text):
            break
        text = text[1:-1]
    return text


def _encloses(text: str) -> bool:
    """Whether the first and the last character are brackets, quotes or marks that surround the rest."""
    opening, closing = text[0], text[-1]
    if opening in _MARKS:
        return closing == opening
    if _BRACKETS.get(opening) != closing:
        return False
    depth = 0
    for character in text[:-1]:
        depth += (character == opening) - (character == closing)
        if depth == 0:
            return False
    return True
