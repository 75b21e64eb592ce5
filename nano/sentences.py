"""The sentences of a problem: how they are put together, and how they are read again.

The reader is lenient, so that texts with missing operands and wrong names can be judged; what is wrong with them is
decided in `solving`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from nano.families import BY_KEY, FAMILIES, Family

NAMES = ("AMR", "BNS")
NAMING = ("Let {0} be {1}.", "Suppose that {0} is {1}.", "Denote by {0} {1}.", "Let {0} denote {1}.")
ASKING = ("Find {1}.", "Compute {1}.", "Determine {1}.", "What is {1}?", "Calculate {1}.")
_FRAMES = re.compile(
    r"(?:(?P<question>What is)|Let (?P<n1>\w) be|Suppose that (?P<n2>\w) is|Denote by (?P<n3>\w)|Let (?P<n4>\w) denote"
    r"|Find|Compute|Determine|Calculate) (?P<phrase>.+)(?(question)\?|\.)"
)
_ENDS = re.compile(r"(?<=[.?]) ")


@dataclass(frozen=True)
class Sentence:
    """One sentence; `shown` holds the operands as text ("" where one is missing), `name` is "" where it asks.

    A sentence that cannot be read has no family.
    """

    family: Family | None
    name: str = ""
    shown: Mapping[str, str] = field(default_factory=dict)
    wording: int = 0
    framing: int = 0
    unread: str = ""

    @property
    def text(self) -> str:
        """The sentence as it stands in a problem; one that could not be read is given back unchanged."""
        if self.family is None:
            return self.unread
        return (NAMING if self.name else ASKING)[self.framing].format(self.name, self.phrase)

    @property
    def phrase(self) -> str:
        """What the sentence names or asks for, without a space too many where an operand is missing; "" if unread."""
        if self.family is None:
            return ""
        phrase = self.family.wordings[self.wording].format_map(self.shown)
        return re.sub(" +", " ", phrase).strip() if "" in self.shown.values() else phrase

    @property
    def order(self) -> tuple[str, ...]:
        """The slots in the order in which they stand."""
        return _slots(self.family.key, self.wording) if self.family else ()


@cache
def _slots(key: str, wording: int) -> tuple[str, ...]:
    """The operands of a family in the order of a wording."""
    return tuple(re.findall(r"{(\w+)}", BY_KEY[key].wordings[wording]))


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], Family, int]]:
    """The beginning of each wording, its pattern, in which operands may be missing, and what it belongs to."""
    found = []
    for family in FAMILIES:
        for number, wording in enumerate(family.wordings):
            escaped = re.escape(wording).replace(r"\ ", " ")
            pattern = re.sub(r"( ?)\\{(\w+)\\}", r"(?:\1(?P<\2>0|[1-9]\\d*|[A-Z])|(?:\1)?)", escaped)
            found.append((wording.split(" {")[0].split("{")[0], re.compile(pattern), family, number))
    return found


def read_sentence(text: str) -> Sentence:
    """Any text as a sentence; one that cannot be read has no family, but may have a name."""
    if (framed := _FRAMES.fullmatch(text)) is None:
        return Sentence(None, unread=text)
    name = framed["n1"] or framed["n2"] or framed["n3"] or framed["n4"] or ""
    phrase = framed["phrase"]
    for start, pattern, family, wording in _patterns():
        if phrase.startswith(start) and (match := pattern.fullmatch(phrase)):
            return Sentence(family, name, match.groupdict(""), wording)
    return Sentence(None, name, unread=text)


def read_problem(text: str) -> list[Sentence]:
    """The sentences of a problem; any text can be read."""
    return [read_sentence(part) for part in _ENDS.split(text) if part]
