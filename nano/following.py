"""Follows a rationale and its problem step by step, as the judges do, and writes down what is right and what is not.

judge-a recomputes: it derives every number from the idea, and puts beside it what stands in rationale and problem.
judge-b compares: it puts what the rationale has beside what the problem has. Everything that a rating needs stands in
these words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nano.arithmetic import quotient, split
from nano.designing import derived
from nano.families import Family
from nano.material import Idea, Line, Material
from nano.sentences import Sentence
from nano.solutions import sums_of, work_out
from nano.solving import LIMIT, title

_SUM = re.compile(r"\d+[-+*/]\d+=\d+")


@dataclass
class Notes:
    """The words about one step; whether its sums are right, and whether the problem is sound and says the same."""

    words: list[str] = field(default_factory=list)
    accurate: bool = True
    sound: bool = True

    @property
    def text(self) -> str:
        """The words in a line; a comma stands only after a fact without a mark."""
        return re.sub(" (ok|no|false), ", r" \1 ", ", ".join(self.words).replace(", ;, ", "; "))

    def sum(self, text: str, right: bool) -> None:
        """A statement about the rationale; where it is wrong, the accuracy suffers, but not the solvability."""
        self.words.append(f"{text} {'ok' if right else 'no'}")
        self.accurate &= right

    def fact(self, text: str, right: bool) -> None:
        """A statement about the problem; where it is wrong, the solvability suffers, but not the accuracy."""
        self.words.append(f"{text} {'ok' if right else 'no'}")
        self.sound &= right

    def check(self, text: str, right: bool, harmless: bool) -> None:
        """What an idea must have; where it is false, the problem may be good all the same."""
        self.words.append(f"{text} {'ok' if right else 'false' if harmless else 'no'}")
        self.accurate &= right
        self.sound &= right or harmless


@dataclass(frozen=True)
class Before:
    """The step before, as the rationale names it and as it was computed; no name for the first step."""

    name: str = ""
    value: int = 0


def follow(material: Material, judge: str) -> tuple[list[str], bool, bool]:
    """A line of words for each step; whether all sums are right, and whether all else is."""
    one_step = _recomputed if judge == "judge-a" else _compared
    lines: Sequence[Line | None] = material.lines or [Line(0)] * len(material.sentences)
    before, texts, accurate, sound = Before(), [], True, True
    for place, line in enumerate(lines):
        sentence = material.sentences[place] if place < len(material.sentences) else None
        notes = Notes()
        before = one_step(notes, line, sentence, before)
        family = family_of(line, sentence)
        known = f"{place + 1} {title(family.key)}" if family else f"{place + 1}"
        texts.append(f"{known}: {notes.text}.")
        accurate &= notes.accurate
        sound &= notes.sound
    if len(material.sentences) > len(lines):
        texts.append("More no.")
        sound = False
    return texts, accurate, sound


def family_of(line: Line | None, sentence: Sentence | None) -> Family | None:
    """The family that a step uses, by the rationale where it says so."""
    if line and line.idea:
        return line.idea.family
    spoken = line.taken if line and line.taken and line.taken.family else sentence
    return spoken.family if spoken else None


def _recomputed(notes: Notes, line: Line | None, sentence: Sentence | None, before: Before) -> Before:
    if line is None or not _readable(line):
        return _unread(notes, sentence, before)
    if line.idea is None:
        return _solved(notes, line, sentence, before)
    idea = line.idea
    _link(notes, idea, before)
    linked = bool(idea.name)
    drawn = derived(idea.family.key, idea.numbers, linked)
    _sums(notes, line, drawn.sums + (drawn.last if line.name else []))
    exists = _exists(idea.family, drawn.operands)
    for fact, right in drawn.checks:
        notes.check(fact, right, exists and not line.name)
    if not exists and all(right for _, right in drawn.checks):
        notes.fact("number", False)
    if line.name:
        notes.sum(f"{line.name}={drawn.value}/{line.value}", line.value == drawn.value)
    expected = {slot: str(number) for slot, number in drawn.operands.items()}
    if linked:
        expected[idea.family.slot] = idea.name
    notes.words.append(";")
    _pairs(notes, line, expected, sentence, idea.family)
    return Before(line.name, drawn.value)


def _readable(line: Line) -> bool:
    """Whether the line has an idea, a phrase that can be read, or nothing after its label."""
    return bool(line.idea or line.parts == 0 or (line.taken and line.taken.family))


def _link(notes: Notes, idea: Idea, before: Before) -> None:
    """Whether the idea holds the value of the step before, by its name."""
    if before.name:
        said = f"{idea.name}={idea.numbers[idea.family.slot]}" if idea.name else "?"
        right = f"{before.name}={before.value}"
        notes.fact(f"{right}/{said.removeprefix(f'{before.name}=')}", said == right)
    elif idea.name:
        notes.fact(idea.name, False)


def _sums(notes: Notes, line: Line, expected: Sequence[str]) -> None:
    for place, text in enumerate(expected):
        left = text.split("=")[0]
        if "*" in left:
            a, b = left.split("*")
            notes.words += split(int(a), int(b))
        said = line.sums[place] if place < len(line.sums) else ""
        notes.sum(_beside(text, said), said == text)
    if len(line.sums) > len(expected):
        notes.sum("more", False)


def _beside(expected: str, said: str) -> str:
    """A sum and what stands in its place: the result alone where the rest is the same."""
    left, _, result = said.partition("=")
    if expected.startswith(f"{left}="):
        return f"{expected}/{result}"
    return f"{expected}/{said if _SUM.fullmatch(said) else '?'}"


def _unread(notes: Notes, sentence: Sentence | None, before: Before) -> Before:
    notes.sum("unread", False)
    notes.sound = False
    return Before(sentence.name if sentence else "", _value(sentence, before) or 0)


def _exists(family: Family, operands: Mapping[str, int]) -> bool:
    """Whether there is such a number, and all numbers are within this world."""
    value = family.value(operands)
    return value is not None and max(value, *operands.values()) <= LIMIT


def _operands(sentence: Sentence | None, before: Before) -> dict[str, int] | None:
    """The numbers of a sentence, the value before for a name; None where some are missing or too large."""
    if sentence is None or sentence.family is None or "" in sentence.shown.values():
        return None
    operands = {slot: int(text) if text.isdigit() else before.value for slot, text in sentence.shown.items()}
    return operands if max(operands.values()) <= LIMIT else None


def _value(sentence: Sentence | None, before: Before) -> int | None:
    operands = _operands(sentence, before)
    return sentence.family.value(operands) if sentence and sentence.family and operands else None


def _solved(notes: Notes, line: Line, sentence: Sentence | None, before: Before) -> Before:
    """A step without an idea: what its sums say, or, where there are none, what a solver finds."""
    value = _value(line.taken or sentence, before)
    if line.taken is None:
        _worked(notes, sentence, before)
    else:
        _taken(notes, line, line.taken, value, before)
        notes.words.append(";")
        _pairs(notes, line, line.taken.shown, sentence, line.taken.family)
    return Before(sentence.name if sentence else "", value or 0)


def _worked(notes: Notes, sentence: Sentence | None, before: Before) -> None:
    """What a solver finds."""
    operands = _operands(sentence, before)
    if sentence is None or sentence.family is None or operands is None:
        notes.fact("unclear" if sentence else "none", False)
    else:
        facts, value = work_out(sentence.family.key, operands)
        notes.words += facts
        notes.fact("number", value is not None)


def _taken(notes: Notes, line: Line, taken: Sentence, value: int | None, before: Before) -> None:
    """The sums of an after-the-fact line, and what they leave out where there is no such number."""
    operands = _operands(taken, before)
    for text in line.sums:
        right = _true(text)
        notes.sum(_beside(right, text), right == text)
    if operands is None or taken.family is None:
        notes.fact("unclear", False)
    elif value is None:
        known = sums_of(taken.family.key, operands)
        notes.words += [fact for fact in work_out(taken.family.key, operands)[0] if fact not in known]
        notes.fact("number", False)
    if line.name:
        notes.sum(f"{line.name}={value or '?'}/{line.value}", line.value == value)


def _true(text: str) -> str:
    """A written sum with its right result."""
    for sign in "+-*/":
        left, found, right = text.split("=")[0].partition(sign)
        if found and left.isdigit() and right.isdigit():
            a, b = int(left), int(right)
            if sign == "/":
                return quotient(a, b) if b else f"{a}/0"
            return f"{a}{sign}{b}={a + b if sign == '+' else a - b if sign == '-' else a * b}"
    return "unread"


def _compared(notes: Notes, line: Line | None, sentence: Sentence | None, before: Before) -> Before:
    family = family_of(line, sentence)
    if line is None or not _readable(line):
        return _unread(notes, sentence, before)
    if family is None:
        notes.fact("unclear" if sentence else "none", False)
        return Before()
    if line.idea:
        return _compared_idea(notes, line, line.idea, sentence, before)
    value = _value(line.taken or sentence, before)
    if line.taken:
        _pairs(notes, line, line.taken.shown, sentence, family)
        notes.sum("sums", all(_true(text) == text for text in line.sums) and (not line.name or line.value == value))
    notes.fact("idea", value is not None)
    return Before(sentence.name if sentence else "", value or 0)


def _compared_idea(notes: Notes, line: Line, idea: Idea, sentence: Sentence | None, before: Before) -> Before:
    linked = bool(idea.name)
    drawn = derived(idea.family.key, idea.numbers, linked)
    said = {slot: str(n) for slot, n in derived(idea.family.key, idea.numbers, linked, line.results).operands.items()}
    if linked:
        said[idea.family.slot] = idea.name
    _pairs(notes, line, said, sentence, idea.family)
    expected = drawn.sums + (drawn.last if line.name else [])
    right = all(right for _, right in drawn.checks)
    notes.sum("sums", right and list(line.sums) == expected and (not line.name or line.value == drawn.value))
    same = idea.name == before.name and (not linked or idea.numbers[idea.family.slot] == before.value)
    notes.fact("idea", same and (right or not line.name) and _exists(idea.family, drawn.operands))
    return Before(line.name, line.value if line.name else drawn.value)


def _pairs(notes: Notes, line: Line, said: Mapping[str, str], sentence: Sentence | None, family: Family | None) -> None:
    """What the problem should have by the rationale, and what it has: the name, and slot by slot."""
    if sentence is None:
        notes.fact("none", False)
    elif sentence.family is None or sentence.family is not family:
        notes.fact(title(sentence.family.key) if sentence.family else "unclear", False)
    else:
        notes.fact(f"{line.name or '?'}/{sentence.name or '?'}", line.name == sentence.name)
        for slot in sentence.order:
            notes.fact(f"{said[slot] or '?'}/{sentence.shown[slot] or '?'}", said[slot] == sentence.shown[slot])
