"""Finds phrases from a domain's files in a text.

A phrase is words with blanks between them, in lower case. `(a|b c)` is one of several, `[a|b]` may be missing,
`word*` is any word with this beginning, and `...` stands for up to five words of the same sentence, none a negation.
A comma may separate words. Phrases are searched in a text without markup and contractions: "can't" and "cannot" become
"can not" (`plain`). This is slow, so `needles` quickly exclude most texts that have no phrase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = re.compile(r"\((?P<one>[^()\[\]]+)\)|\[(?P<maybe>[^()\[\]]+)\]|(?P<gap>\.\.\.)|(?P<word>[^\s()\[\]|]+)")
_GAP = r"(?:(?!(?:not|no|never|nor)\b)[^\s.!?;]+(?:\s+|$)){0,5}?"
_MARKUP = re.compile(r"\\(?:text[a-z]*|math[a-z]+|mbox)\s*\{([^{}]*)\}|[*_`#~]+|\\[,;: ]")
_APOSTROPHES = str.maketrans("’‘ʼ", "'''")
_CONTRACTED = (
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"\bcan(?:'t|not)\b"), "can not"),
    (re.compile(r"(?<=\w)n't\b"), " not"),
    (re.compile(r"\b(it|that|there|this)'s\b"), r"\1 is"),
)
_CONTRACTED_WORDS = ("will", "not", "is")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n\s*\n|\n(?=\s*(?:[-•>]|\d+[.)]\s))|(?<=。)")


def matcher(phrases: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for any of these phrases in a `plain` sentence; None without any. Raises ValueError, as `patterns`."""
    alternatives = patterns(phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})") if alternatives else None


def patterns(phrases: Iterable[str]) -> list[str]:
    """The pattern of each phrase, not compiled because that is slow. Raises ValueError for an invalid phrase."""
    return [_pattern(phrase) for phrase in phrases]


Needles = tuple[tuple[str, ...], ...]
"""Substrings of a phrase: for each required piece, one for each of its forms."""


def needles(phrases: Iterable[str]) -> list[Needles]:
    """For each phrase, substrings of every lower-case text that contains it, plain or not."""
    return list(dict.fromkeys(map(_needles, phrases)))


def has_one(text: str, phrases: Iterable[Needles]) -> bool:
    """Whether a lower-case text has the needles of a phrase."""
    return any(all(any(form in text for form in piece) for piece in phrase) for phrase in phrases)


def sentences(text: str) -> list[str]:
    """The sentences of a text, unchanged, without quoted lines."""
    return [part for part in _SENTENCE.split(text) if part.strip() and not part.lstrip().startswith(">")]


def plain(text: str) -> str:
    """A text in lower case without markup and contractions, with single blanks."""
    text = _MARKUP.sub(lambda match: match[1] or " ", text.translate(_APOSTROPHES)).lower()
    for contracted, whole in _CONTRACTED:
        text = contracted.sub(whole, text)
    return " ".join(text.split())


def _pattern(phrase: str) -> str:
    if _TOKEN.sub("", phrase).strip() or not any(token["one"] or token["word"] for token in _TOKEN.finditer(phrase)):
        raise ValueError(
            f"{phrase!r} is not a phrase; a phrase consists of words, (one|of several), [may be missing], begin* and "
            "..."
        )
    return "".join(map(_piece, _TOKEN.finditer(phrase)))


def _piece(token: re.Match[str]) -> str:
    if token["gap"]:
        return _GAP
    forms = "|".join(map(_words, (token["one"] or token["maybe"] or token["word"]).split("|")))
    return rf"(?:(?:{forms})(?!\w),?\s*){'?' if token['maybe'] else ''}"


def _words(form: str) -> str:
    return r"\s+".join(re.escape(word).replace(r"\*", r"\w*") for word in form.split())


def _needles(phrase: str) -> Needles:
    pieces = (token["one"] or token["word"] for token in _TOKEN.finditer(phrase))
    forms = [tuple(max(map(_kept, form.split()), key=len) for form in piece.split("|")) for piece in pieces if piece]
    return tuple(sorted((piece for piece in forms if all(piece)), key=lambda piece: -min(map(len, piece))))


def _kept(word: str) -> str:
    """The part of a phrase's word that is in every text with the word, also if that is contracted."""
    return "" if word in _CONTRACTED_WORDS or "'" in word else word.split("*")[0]
