"""Solves a problem of the nano world exactly, or says why it is ill-formed.

It judges the chain of sentences: names, setups, claims, domains, sizes and the question. `reading` parses sentences,
`operations` defines the operations. It was written from `nano/LANGUAGE.md` alone, independently of the code that writes
problems, so that each can reveal the other's mistakes. It is fast and raises no error for any text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal, get_args

from promptcot.nano import reading
from promptcot.nano.arithmetic import LIMIT
from promptcot.nano.operations import CONCEPTS, Operation

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
    "missing setup",
    "superfluous setup",
    "setup given twice",
    "false claim",
    "misplaced claim",
    "domain",
    "not an integer",
    "too large",
    "too many steps",
]
"""The reasons for an ill-formed problem; the first mistake in reading order counts."""

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

_LEVELS = ("AMC12", "AIME", "HMMT-Feb")
_NAMES_OF_STEP = ("AMR", "BNS")
_CLAIMS: Mapping[str, Callable[[int], bool]] = {
    "even": lambda n: n % 2 == 0,
    "odd": lambda n: n % 2 == 1,
    "two-digit": lambda n: 10 <= n <= 99,
    "three-digit": lambda n: 100 <= n <= 999,
}


@dataclass(frozen=True)
class Operand:
    """The value in one slot of a step, and the text it was read from ("360", "A" or "A + 3", without claims)."""

    slot: str
    text: str
    value: int


@dataclass(frozen=True)
class Step:
    """One operation of a chain: its name in `CONCEPTS`, its operands in the order of the text, its exact value."""

    operation: str
    operands: tuple[Operand, ...]
    value: int | Fraction


@dataclass(frozen=True)
class Solution:
    """A well-formed problem: its answer, an integer or reduced fraction such as "45/2", and its one to three steps."""

    answer: str
    steps: tuple[Step, ...]

    @property
    def level(self) -> str:
        """The level for the number of steps."""
        return _LEVELS[len(self.steps) - 1]


@dataclass(frozen=True)
class IllFormed:
    """A problem without an answer: one of `REASONS`, and the words that show it, cut to a readable length."""

    reason: Reason
    detail: str = ""


def check(problem: str) -> Solution | IllFormed:
    """Solve a problem as the model wrote it, or say why that is impossible; total, and fast, for any text."""
    try:
        return _solve(problem)
    except _Fault as fault:
        return IllFormed(fault.reason, fault.detail)


def concepts_used(solution: Solution) -> tuple[str, ...]:
    """The concepts of the operations in a solution, in the order of its steps, each once."""
    return tuple(dict.fromkeys(concept for step in solution.steps for concept in CONCEPTS[step.operation]))


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
    """The steps read so far, the names that stand for their values, and the setup that waits for its phrase."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._names: list[str] = []
        self._setup: reading.Sentence | None = None
        self._set_up: set[str] = set()

    def add(self, sentence: reading.Sentence) -> None:
        """Add the next sentence, or raise its fault."""
        if sentence.role == "setup":
            return self._add_setup(sentence)
        if sentence.name in self._names:
            raise _Fault("defined twice", sentence.name)
        self.steps.append(self._step(sentence))
        if sentence.role == "name":
            self._name_last_step(sentence.name)

    def _add_setup(self, sentence: reading.Sentence) -> None:
        """One setup per operation and problem: a second P(x) or bag would make the reference ambiguous."""
        operation = sentence.operation.name
        if operation in self._set_up:
            raise _Fault("setup given twice", operation)
        if self._setup:
            raise _Fault("superfluous setup", self._setup.operation.name)
        self._setup = sentence
        self._set_up.add(operation)

    def _step(self, sentence: reading.Sentence) -> Step:
        operation = sentence.operation
        written = self._take_setup(operation) + sentence.operands
        operands = tuple(Operand(operand.slot.name, operand.text, self._value(operand)) for operand in written)
        if self.steps and not any(operand.name for operand in written):
            raise _Fault("unused name", self._names[-1])
        values = {operand.slot: operand.value for operand in operands}
        if not operation.domain(**values):
            raise _Fault("domain", ", ".join([operation.name, *(f"{slot} = {n}" for slot, n in values.items())]))
        value = operation.value(**values)
        if value > LIMIT:
            raise _Fault("too large", f"the value of {operation.name}")
        return Step(operation.name, operands, value.numerator if value.denominator == 1 else value)

    def _take_setup(self, operation: Operation) -> tuple[reading.Written, ...]:
        setup, self._setup = self._setup, None
        if setup and setup.operation is not operation:
            raise _Fault("superfluous setup", setup.operation.name)
        if operation.setup and not setup:
            raise _Fault("missing setup", operation.name)
        return setup.operands if setup else ()

    def _value(self, operand: reading.Written) -> int:
        """The value of an operand; digits are only turned into a number once they are known to be few."""
        if operand.number and len(operand.number) > len(str(LIMIT)):
            raise _Fault("too large", operand.number)
        number = int(operand.number or 0)
        if operand.claim:
            _check_claim(operand, operand.claim, number)
        value = number + (self._referred(operand.slot, operand.name) if operand.name else 0)
        if value > LIMIT:
            raise _Fault("too large", operand.text)
        return value

    def _referred(self, slot: reading.Slot, name: str) -> int:
        """The value of a name: always that of the previous step, and only the next step may use it."""
        if name not in self._names:
            raise _Fault("undefined name", name)
        if not slot.may_refer:
            raise _Fault("misplaced reference", f"{name} as {slot.name}")
        if name != self._names[-1]:
            raise _Fault("used again", name)
        return int(self.steps[-1].value)

    def _name_last_step(self, name: str) -> None:
        index = len(self.steps) - 1
        if index == len(_NAMES_OF_STEP):
            raise _Fault("too many steps", name)
        if name not in _NAMES_OF_STEP[index]:
            raise _Fault("wrong name", name)
        if isinstance(self.steps[index].value, Fraction):
            raise _Fault("not an integer", f"{name} = {self.steps[index].value}")
        self._names.append(name)


def _check_claim(operand: reading.Written, claim: str, number: int) -> None:
    if operand.name or not operand.slot.may_claim:
        raise _Fault("misplaced claim", f"the {claim} number {operand.text}")
    if not _CLAIMS[claim](number):
        raise _Fault("false claim", f"the {claim} number {operand.text}")
