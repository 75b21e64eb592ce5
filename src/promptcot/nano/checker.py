"""Solves a problem of the nano world exactly, or says why it is ill-posed.

It judges the chain of sentences: names, references, the question, and whether the number of each step exists. `reading`
parses sentences, `families` defines what they ask for. It was written from `nano/LANGUAGE.md` alone, independently of
the code that writes problems, so that each can reveal the other's mistakes. It is fast and raises no error for any
text.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from promptcot.nano import reading
from promptcot.nano.families import CONCEPTS, LIMIT

Reason = Literal[
    "no question",
    "two questions",
    "text after the question",
    "unreadable sentence",
    "undefined name",
    "unused name",
    "defined twice",
    "used again",
    "wrong name",
    "misplaced reference",
    "no such number",
    "too large",
    "too many steps",
]
"""The reasons for an ill-posed problem; the first mistake in reading order counts."""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
LEVELS: Final = ("AMC12", "AIME", "HMMT-Feb")
"""The level of problems with one, two and three steps."""

_NAMES_OF_STEP = ("AMR", "BNS")


@dataclass(frozen=True)
class Operand:
    """The value in one slot of a step, and the text it was read from ("360" or "A")."""

    slot: str
    text: str
    value: int


@dataclass(frozen=True)
class Step:
    """One step of a chain: its family in `CONCEPTS`, its operands in the order of the text, its exact value."""

    family: str
    operands: tuple[Operand, ...]
    value: int


@dataclass(frozen=True)
class Solution:
    """A well-formed problem: its answer, a positive integer, and its one to three steps."""

    answer: str
    steps: tuple[Step, ...]

    @property
    def level(self) -> str:
        """The level for the number of steps."""
        return LEVELS[len(self.steps) - 1]


@dataclass(frozen=True)
class IllPosed:
    """A problem without an answer: one of `REASONS`, and the words that show it, cut to a readable length."""

    reason: Reason
    detail: str = ""


def check(problem: str) -> Solution | IllPosed:
    """Solve a problem as the model wrote it, or say why that is impossible; total, and fast, for any text."""
    try:
        return _solve(problem)
    except _Fault as fault:
        return IllPosed(fault.reason, fault.detail)


def concepts_used(solution: Solution) -> tuple[str, ...]:
    """The concepts of the families in a solution, in the order of its steps, each once."""
    return tuple(dict.fromkeys(concept for step in solution.steps for concept in CONCEPTS[step.family]))


class _Fault(Exception):
    """The first mistake of a problem; never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        self.detail = detail if len(detail) <= 80 else f"{detail[:79]}…"


def _solve(problem: str) -> Solution:
    chain = _Chain()
    sentences = iter(reading.split(problem))
    for text in sentences:
        sentence = reading.read(text)
        if sentence is None:
            raise _Fault("unreadable sentence", text)
        chain.add(sentence)
        if sentence.role == "ask":
            break
    else:
        raise _Fault("no question", problem)
    for text in sentences:
        raise _Fault("two questions" if reading.is_question(text) else "text after the question", text)
    return Solution(str(chain.steps[-1].value), tuple(chain.steps))


class _Chain:
    """The steps read so far, and the names that stand for their values."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._names: list[str] = []

    def add(self, sentence: reading.Sentence) -> None:
        """Add the next sentence, or raise its fault."""
        if sentence.role == "name":
            self._add_name(sentence.name)
        self.steps.append(self._step(sentence))

    def _add_name(self, name: str) -> None:
        """The names hold that of the step itself from here on; `_referred` looks only at those before it."""
        index = len(self.steps)
        if name in self._names:
            raise _Fault("defined twice", name)
        if index == len(_NAMES_OF_STEP):
            raise _Fault("too many steps", name)
        if name not in _NAMES_OF_STEP[index]:
            raise _Fault("wrong name", name)
        self._names.append(name)

    def _step(self, sentence: reading.Sentence) -> Step:
        family = sentence.family
        operands = tuple(Operand(one.slot, one.text, self._value(sentence, one)) for one in sentence.operands)
        if self.steps and not any(operand.is_name for operand in sentence.operands):
            raise _Fault("unused name", self._names[len(self.steps) - 1])
        values = {operand.slot: operand.value for operand in operands}
        value = family.value(**values)
        if value is None:
            raise _Fault("no such number", ", ".join([family.name, *(f"{slot} = {n}" for slot, n in values.items())]))
        if value > LIMIT:
            raise _Fault("too large", f"the value of {family.name}")
        return Step(family.name, operands, value)

    def _value(self, sentence: reading.Sentence, operand: reading.Written) -> int:
        """The value of an operand; digits are only turned into a number once they are known to be few."""
        if operand.is_name:
            return self._referred(sentence, operand)
        if len(operand.text) > len(str(LIMIT)) or int(operand.text) > LIMIT:
            raise _Fault("too large", operand.text)
        value = int(operand.text)
        if value == 0:
            raise _Fault("no such number", f"{operand.slot} = 0")
        return value

    def _referred(self, sentence: reading.Sentence, operand: reading.Written) -> int:
        """The value of a name: always that of the previous step, and only the next step may use it."""
        name, before = operand.text, self._names[: len(self.steps)]
        if name not in before:
            raise _Fault("undefined name", name)
        if operand.slot != sentence.family.reference:
            raise _Fault("misplaced reference", f"{name} as {operand.slot}")
        if name != before[-1]:
            raise _Fault("used again", name)
        return self.steps[-1].value
