"""Decides which labelled lines of a reply are the model's own, given its mark and the material in its prompt.

A model that rates or votes may repeat its material instead, and the material may contain lines in the form of an
answer. Two tests distinguish them:

- the mark, a token that the model was asked to begin its lines with and that the material cannot contain (`marked`);
- a comparison with the material, for models that leave the mark out (`Material`). It ignores quotation, markup,
  escapes, numbering and similar-looking letters, because all of these are normalised before the comparison.

The caller parses the lines.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from promptcot.core.parsing.folding import folded, letters, visible

# Possessive quantifiers, because a model that writes ten thousand asterisks must not make a search quadratic.
BEFORE = (
    r"^[\s*_#|│┃+•·▪▫◦‣●○■□►▶–—-]*+(?:\[[xX]\]\s*+)?"
    r"(?:\(?(?:\d{1,2}\s*+[.):|]|(?:[a-z]|[ivx]{1,4})[.)])\s*+)?[\s*_\[【]*+"
)
"""A pattern for the markup before a label: bullets, numbers, bold type, the bars of a table."""

_FIRST_WORD = re.compile(rf"{BEFORE}[(`\\\[【*_]*+(?P<word>[A-Za-z0-9]{{1,40}}+)(?!\w)[\s\\\])】`*_:.|–-]*+")
_ESCAPED = re.compile(
    r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|[ux]\{([0-9a-fA-F]{1,6})\}|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2}))|[%=]([0-9a-fA-F]{2})"
)
_CONTROL = re.compile(r"(?<!\\)\\++[nrtbf]")
_MARKUP = re.compile(
    r"<[^<>]{0,300}>|\]\([^()\s]{0,300}\)|\\(?:begin|end)\s?\{[^{}]{0,40}\}(?:\[[^\[\]]{0,40}\])?|\\[A-Za-z]+\*?"
)
_DIGITS = re.compile(r"\d+")
_UNESCAPED_AT_MOST = 3
_APART = 24
_SIGN = r"(?=[\s.,;!?'’()]{0,40}[^\w\s.,;!?'’()])(?:\W|_){1,60}+"


def marked(lines: Sequence[str], mark: str) -> list[str | None]:
    """For each line that begins with the mark, the text after it; None for other lines.

    Bullets and numbers may precede the mark, which may be bold, in brackets or formatted as code.
    """
    matches = map(_FIRST_WORD.match, lines)
    return [
        line[word.end() :] if word and word["word"].lower() == mark.lower() else None
        for line, word in zip(lines, matches, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Material:
    """The material that a model was shown, in the forms that its replies are compared with.

    `said` has its letters, one line for each way to remove the markup; `plain` is its folded text with the characters
    between words kept.
    """

    said: str
    plain: str

    def says(self, name: str, answer: str) -> bool:
        """Whether a line with this label and answer may have been repeated from the material."""
        if " " in name.strip():
            return any(one + two in self.said for one, two in zip(_forms(name), _forms(answer), strict=True))
        return _labelled(name, answer).search(self.plain) is not None

    def names(self, verdict: Sequence[str]) -> bool:
        """Whether it contains the verdict's label, with few characters between the words."""
        return any(" " in name.strip() and _apart(name).search(self.said) for name in verdict)

    def speaks(self, verdict: Sequence[str], others: Sequence[str], answers: Sequence[str]) -> bool:
        """Whether it may contain an answer in the form of the model's, in any spelling.

        It does if it contains the verdict's label and one of its words, or rates one of the others. Labels of one word,
        which occur in any text, count if an answer follows.
        """
        if self.names(verdict) and any(letters(answer) in self.said for answer in answers):
            return True
        if _row(*map(tuple, (verdict, others, answers))).search(self.said):
            return True
        return any(self.says(name, answer) for name in (*verdict, *others) for answer in answers)


@lru_cache(maxsize=8)
def material_of(text: str) -> Material:
    """The material that replies are compared with. Takes linear time."""
    forms = _without_markup(text)
    backwards = forms[1][::-1]  # as it is displayed after U+202E (right-to-left override)
    said = dict.fromkeys(form for one in (*forms, backwards) for form in _forms(one))
    return Material("\n".join(said), "\n".join(dict.fromkeys(map(folded, forms))))


def repeats(part: str, shown: str, least: int = 20) -> bool:
    """Whether a text of at least `least` letters occurs in the material, in any markup."""
    own = letters(part)
    return len(own) >= least and any(own in letters(form) for form in _without_markup(shown))


def _without_markup(text: str) -> list[str]:
    """The text in four forms: unchanged, unescaped, without escaped line breaks, and without markup."""
    plain = visible(unescaped(text))
    return [text, plain, _CONTROL.sub(" ", plain), _MARKUP.sub("", plain)]


def unescaped(text: str) -> str:
    """The text with escapes of JSON, HTML and URLs decoded, also nested ones."""
    for _ in range(_UNESCAPED_AT_MOST):
        plain = _ESCAPED.sub(_character, html.unescape(text))
        if plain == text:
            break
        text = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # joins surrogates
    return text


def _character(escape: re.Match[str]) -> str:
    code = int(str(escape[escape.lastindex or 0]), 16)
    return chr(code) if code <= 0x10FFFF else ""


def _forms(text: str) -> tuple[str, str]:
    """The letters of a text: with digits, which may replace letters, and without digits, which may be numbering."""
    return letters(text), letters(_DIGITS.sub(" ", text))


@lru_cache(maxsize=256)
def _labelled(name: str, answer: str) -> re.Pattern[str]:
    """A pattern for a one-word label and its answer, with a mark between, rare in prose, and no phrase after it."""
    one, two = re.escape(folded(name)), re.escape(folded(answer))
    phrase = r"[ -](?![a-z -]{1,40}[:=|])[a-z]"
    return re.compile(rf"(?<!\w){one}{_SIGN}(?:\w{{1,12}}+{_SIGN})?{two}(?!\w|{phrase})")


@lru_cache(maxsize=64)
def _apart(name: str) -> re.Pattern[str]:
    """A pattern for the words of a label, a few letters apart at most, also in reverse order."""
    words = [re.escape(letters(word)) for word in name.split()]
    gap = rf".{{0,{_APART}}}?"
    return re.compile(f"{gap.join(words)}|{gap.join(words[::-1])}")


@lru_cache(maxsize=64)
def _row(verdict: tuple[str, ...], others: tuple[str, ...], answers: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern for the header of a table from the verdict on, and two answers after it."""
    one, more, words = ("|".join(re.escape(letters(word)) for word in names) for names in (verdict, others, answers))
    return re.compile(rf"(?:{one})(?:{more})*+(?:{words}){{2}}")
