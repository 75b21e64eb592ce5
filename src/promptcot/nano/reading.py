"""Parses single sentences of the nano language, strictly: one anchored pattern for each wording of each family.

It extracts the content of a sentence; `checker` judges names and numbers. All patterns are linear in the length of the
text, because what may follow an operand never starts like the operand itself.
"""

import re
from dataclasses import dataclass
from string import Formatter
from typing import Literal

from promptcot.nano.families import FAMILIES, Family

NUMBER = "(?:0|[1-9][0-9]*)"
"""The pattern of a literal: digits without sign and without leading zero."""

_OPERAND = f"([A-Z]|{NUMBER})"
_NAMINGS = tuple(
    re.compile(rf"{frame} (.+)\.")
    for frame in ("Let ([A-Z]) be", "Suppose that ([A-Z]) is", "Denote by ([A-Z])", "Let ([A-Z]) denote")
)
_QUESTIONS = tuple(re.compile(frame) for frame in (r"(?:Find|Compute|Determine|Calculate) (.+)\.", r"What is (.+)\?"))


@dataclass(frozen=True)
class Written:
    """An operand as written in its slot: digits of any length, or the name of a value."""

    slot: str
    text: str

    @property
    def is_name(self) -> bool:
        """Whether it is the name of a value."""
        return self.text.isalpha()


@dataclass(frozen=True)
class Sentence:
    """A sentence that names the value of a step (by `name`), or asks for it; `phrase` is what it says of the step."""

    role: Literal["name", "ask"]
    family: Family
    operands: tuple[Written, ...]
    phrase: str
    name: str = ""


class _Wording:
    """One wording of the table, such as "the geometric mean of {a} and {b}", as a pattern."""

    def __init__(self, family: Family, template: str) -> None:
        self.family = family
        parts = list(Formatter().parse(template))
        self._slots = tuple(slot for _, slot, _, _ in parts if slot is not None)
        self._pattern = re.compile("".join(re.escape(text) + (_OPERAND if slot else "") for text, slot, _, _ in parts))

    def read(self, phrase: str) -> tuple[Written, ...] | None:
        """The operands of `phrase` in the order of the text, if it is this wording."""
        found = self._pattern.fullmatch(phrase)
        return tuple(map(Written, self._slots, found.groups())) if found else None


_WORDINGS = tuple(_Wording(family, wording) for family in FAMILIES for wording in family.wordings)


def split(problem: str) -> list[str]:
    """The sentences of a problem, each with its dot or question mark; space around the whole text does not count."""
    text = problem.strip()
    return re.split(r"(?<=[.?]) ", text) if text else []


def read(text: str) -> Sentence | None:
    """The content of one sentence, or None if it is not in the language."""
    for frame in _NAMINGS:
        if found := frame.fullmatch(text):
            name, phrase = found.groups()
            return _read_phrase("name", phrase, name)
    for frame in _QUESTIONS:
        if found := frame.fullmatch(text):
            return _read_phrase("ask", found[1])
    return None


def is_question(text: str) -> bool:
    """Whether a sentence is a question, in the language or not."""
    return any(frame.fullmatch(text) for frame in _QUESTIONS)


def _read_phrase(role: Literal["name", "ask"], phrase: str, name: str = "") -> Sentence | None:
    for wording in _WORDINGS:
        operands = wording.read(phrase)
        if operands is not None:
            return Sentence(role, wording.family, operands, phrase, name)
    return None


def mask_numbers(text: str) -> str:
    """`text` with every number replaced by "#", for comparing texts without their numbers."""
    return re.sub("[0-9]+", "#", text)
