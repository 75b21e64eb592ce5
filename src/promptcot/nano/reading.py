"""Parses single sentences of the nano language, strictly: one anchored pattern for each wording of each operation.

It extracts the content of a sentence; `checker` judges names, domains and claims. All patterns are linear in the length
of the text, because what may follow a part never starts like the part itself.
"""

import re
from dataclasses import dataclass
from string import Formatter
from typing import Literal

from promptcot.nano.operations import OPERATIONS, Operation

_NUMBER = "(?:0|[1-9][0-9]*)"
_CLAIM = r"(?:the (?P<claim>even|odd|two-digit|three-digit) number )?"
_OPERAND = re.compile(rf"{_CLAIM}\(?(?P<text>(?P<name>[A-Z])?(?: \+ )?(?P<number>{_NUMBER})?)\)?")
_NAMINGS = tuple(
    re.compile(rf"{frame} (.+)\.")
    for frame in ("Let ([A-Z]) be", "Suppose that ([A-Z]) is", "Denote by ([A-Z])", "Let ([A-Z]) denote")
)
_QUESTIONS = tuple(re.compile(frame) for frame in (r"(?:Find|Compute|Determine|Calculate) (.+)\.", r"What is (.+)\?"))
_CLAIMABLE_SLOTS = ("n", "a", "b")


@dataclass(frozen=True)
class Slot:
    """One place for an operand in one wording, with what the language allows there."""

    name: str
    may_claim: bool
    may_refer: bool


@dataclass(frozen=True)
class Written:
    """An operand as written: a `number`, the `name` of a value, or both ("A + 3"), and its claimed property.

    `text` is the operand without claim and brackets; `number` is its digits, of any length.
    """

    slot: Slot
    text: str
    name: str | None
    number: str | None
    claim: str | None


@dataclass(frozen=True)
class Sentence:
    """A sentence that sets up an operation, names its value (by `name`), or asks for it."""

    role: Literal["setup", "name", "ask"]
    operation: Operation
    operands: tuple[Written, ...]
    name: str = ""


class _Wording:
    """One wording of the table, such as "the value of {a}^{k} modulo {m}", as a pattern."""

    def __init__(self, operation: Operation, template: str) -> None:
        self.operation = operation
        self._slots: list[Slot] = []
        parts = list(Formatter().parse(template))
        following = [before for before, *_ in parts[1:]] + [""]
        pattern = ""
        for (before, slot, _, _), after in zip(parts, following, strict=True):
            pattern += re.escape(before)
            if slot is not None:
                pattern += f"({_operand_pattern(before, after)})"
                self._slots.append(_slot(operation, slot, before, after))
        self._pattern = re.compile(pattern)

    def read(self, text: str) -> tuple[Written, ...] | None:
        """The operands of `text`, if it is this wording."""
        found = self._pattern.fullmatch(text)
        return tuple(map(_written, self._slots, found.groups())) if found else None


def _operand_pattern(before: str, after: str) -> str:
    """Where a symbol binds more tightly than a plus, as in 3^{k}, {n}! and {b}x, "A + 3" stands in brackets."""
    total = rf"[A-Z] \+ {_NUMBER}"
    if before.endswith("^") or after.startswith(("!", "x")):
        total = rf"\({total}\)"
    return f"{_CLAIM.replace('?P<claim>', '?:')}(?:{_NUMBER}|{total}|[A-Z])"


def _slot(operation: Operation, name: str, before: str, after: str) -> Slot:
    """What may stand in a slot follows from its neighbours: a claim needs room, and "th" needs a number before it."""
    touched = before[-1:] not in ("", " ") or after[:1] not in ("", " ", ",", ".")
    return Slot(
        name=name,
        may_claim=name in _CLAIMABLE_SLOTS and not touched,
        may_refer=name == operation.reference and not after.startswith("th"),
    )


def _written(slot: Slot, text: str) -> Written:
    found = _OPERAND.fullmatch(text)
    assert found, "the pattern of a slot is narrower than that of an operand"
    return Written(slot, found["text"], found["name"], found["number"], found["claim"])


_PHRASES = tuple(_Wording(operation, wording) for operation in OPERATIONS for wording in operation.wordings)
_SETUPS = tuple(_Wording(operation, operation.setup) for operation in OPERATIONS if operation.setup)


def split(problem: str) -> list[str]:
    """The sentences of a problem, each with its dot or question mark; space around the whole text does not count."""
    text = problem.strip()
    return re.split(r"(?<=[.?]) ", text) if text else []


def read(text: str) -> Sentence | None:
    """The content of one sentence, or None if it is not in the language."""
    for wording in _SETUPS:
        operands = wording.read(text)
        if operands is not None:
            return Sentence("setup", wording.operation, operands)
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
    for wording in _PHRASES:
        operands = wording.read(phrase)
        if operands is not None:
            return Sentence(role, wording.operation, operands, name)
    return None


def mask_numbers(text: str) -> str:
    """`text` with every number replaced by "#", for comparing texts without their numbers."""
    return re.sub("[0-9]+", "#", text)
