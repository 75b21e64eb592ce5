"""The words of a scale that may follow a label, and how they are recognized.

Decides whether a value is such a word, only looks like one, or is prose; and whether nearby words make it uncertain.
The caller knows the scale of each label (see `labelled`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_WORD = re.compile(r"[^\W_]+")
_CLOSING = {"": "", **dict(zip("\"'“‘`«「[(<", "\"'”’`»」])>", strict=True))}
# Possessive quantifiers, as in `own`.
_CLEAN = r"""^[\s*_]*+(?P<open>["'“‘`«「\[(<]?)[*_]*+
        (?P<word>{words})
        (?:\.(?=[*_"'”’`»」\])>]))?[*_]*+(?P<close>["'”’`»」\])>]?)(?:\s*+[*_]++)*+
        (?P<rest>\s*+$|\s*+[.,;:!|│┃(\[—–。，；（].*|\s++-++\s.*|\s++(?:because|since)\b.*)"""
_DENIED = (
    r"(?:\b(?:not|never|hardly|nearly|almost|near|far from|less than|short of|no longer)|n['’]t)\b"
    r"\W+(?:\w+\W+){{0,2}}?({words})\b"
)
_DOUBTED = re.compile(
    r"\W*(?:or|but|though|although|except|however|unless|if|almost|nearly|mostly|maybe|perhaps|probably"
    r"|assuming|provided|as long as|when|whenever|only|partly|partially|barely|subject to"
    r"|not (?:really|quite|entirely|fully|exactly))\b",
    re.IGNORECASE,
)
_NO_FAULT = re.compile(
    r"\bno (?:(?:obvious|apparent|hidden|internal|other|undefined|missing|conflicting|contradictory) )?"
    r"(?:contradictions?|conflicts?|inconsistenc(?:y|ies)|ambigu(?:ity|ities)|issues?|faults?|flaws?|errors?"
    r"|(?:second|other|further|extra|additional|missing|undefined) \w+|terms?|symbols?|assumptions?|conditions?)\b",
    re.IGNORECASE,
)
"""Faults whose absence may be the reason for a good answer, as in "no contradiction", where "no" is no answer."""
_CELLS = re.compile("[|│┃]")
_WITHIN_WORDS = 3
"""The minimum length of a scale's word that is also searched within other words: `imperfect`, but not `know`."""


@dataclass(frozen=True)
class Scale:
    """The words, in lower case, from best to worst."""

    words: tuple[str, ...]

    def word(self, text: str) -> str | None:
        """The word of the scale that equals this text, ignoring case; None if there is none."""
        return next((word for word in self.words if word == text.lower()), None)

    def begins(self, value: str) -> bool:
        """Whether a value that is not an answer starts like one."""
        return bool(self.named(" ".join(_WORD.findall(value[:100])[:3])))

    def clean(self, value: str) -> str | None:
        """The word at the beginning of a value, if at most a reason follows that does not make it uncertain."""
        match = self._pattern.match(value)
        if (
            match
            and _CLOSING[match["open"]] == match["close"]
            and not self._doubts(match["rest"], match["word"].lower())
        ):
            return self.word(match["word"])
        return None

    def in_cell(self, row: str) -> str | None:
        """The word in the only cell of a table's row that has just a word, if reasons precede it."""
        cells = _CELLS.split(row)
        words = [(place, word) for place, cell in enumerate(cells) if (word := self.word(cell.strip(" \t*_`.")))]
        if len(words) != 1:
            return None
        [(place, word)] = words
        reasons = " ".join(cells[:place] + cells[place + 1 :])
        return None if self._doubts(reasons, word) or self.denies(row, word) else word

    def named(self, text: str) -> set[str]:
        """All words of a text that are in the scale or contain a word of it, in lower case."""
        return {word for word in _WORD.findall(text.lower()) if any(_is_in(one, word) for one in self.words)}

    def denies(self, text: str, word: str) -> bool:
        """Whether a text denies this word."""
        negated = {match[1].lower() for match in self._denied.finditer(text)}
        return word in negated or not self.named(text).isdisjoint({f"im{word}", f"un{word}"})

    def worse(self, word: str) -> tuple[str, ...]:
        """The words below this one."""
        return self.words[self.words.index(word) + 1 :]

    def _doubts(self, rest: str, word: str) -> bool:
        """Whether the rest of the line makes a word uncertain."""
        rest = _NO_FAULT.sub(" ", rest)
        return not self.named(rest) <= {word} or self.denies(rest, word) or bool(_DOUBTED.match(rest))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(_CLEAN.format(words="|".join(self.words)), re.IGNORECASE | re.VERBOSE | re.DOTALL)

    @cached_property
    def _denied(self) -> re.Pattern[str]:
        return re.compile(_DENIED.format(words="|".join(self.words)), re.IGNORECASE)


def _is_in(one: str, word: str) -> bool:
    return one == word or (len(one) >= _WITHIN_WORDS and one in word)
