"""Reads a rationale against its problem: of which kind it is, and which of its sums are false.

The kinds are those of `nano/LANGUAGE.md`. A rationale is compared with the sentences of its problem, which may be
ill-posed: whether the problem has an answer is decided by `checker`. It is fast and raises no error for any text.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from operator import add, mul, sub
from string import Formatter
from typing import Final, Literal, get_args

from promptcot.nano import reading
from promptcot.nano.checker import LEVELS
from promptcot.nano.designs import DESIGNS
from promptcot.nano.families import CONCEPTS, LIMIT, Family
from promptcot.nano.reading import Sentence

Kind = Literal["design-first", "after the fact", "labels only", "noisy", "none"]
"""The kinds of rationale; a rationale whose lines are of several has the one that comes last."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_NUMBER = "(?:0|[1-9][0-9]{0,14})"
_SUM = re.compile(rf"(-?{_NUMBER})([-+*/])(-?{_NUMBER})=(-?{_NUMBER})")
_SUMS = re.compile(rf"(?<![0-9*/+-]){_SUM.pattern}(?![0-9])")
_VALUE = re.compile(rf"([A-Z])=({_NUMBER})")
_LEVEL = re.compile(rf"The level ({'|'.join(LEVELS)}) asks for (?:(1) step|([23]) steps)\.")
_CONCEPT = "|".join(sorted({re.escape(one) for names in CONCEPTS.values() for one in names}, key=len, reverse=True))
_STEP = re.compile(rf"Step ([1-9]) (?:uses|adds) ((?:{_CONCEPT})(?: and (?:{_CONCEPT}))*)(?:: (.+))?\.")
_OPERATIONS = {"+": add, "-": sub, "*": mul}


@dataclass(frozen=True)
class _Line:
    """A line for a step: its number, its concepts as written, and its parts (none if it has labels only)."""

    number: int
    concepts: str
    parts: tuple[str, ...]


def kind(rationale: str | None, problem: str) -> Kind:
    """The kind of a rationale; total, and fast, for any texts."""
    written = (rationale or "").strip()
    if not written:
        return "none"
    level, *lines = written.split("\n")
    if not _is_level(level):
        return "noisy"
    if not lines:
        return "none"
    sentences = [reading.read(text) for text in reading.split(problem)]
    if len(lines) != len(sentences) or false_sums(written):
        return "noisy"
    return _worst_kind(lines, sentences)


def false_sums(rationale: str | None) -> tuple[str, ...]:
    """The sums of a rationale that are false, as written, in its order."""
    return tuple(found[0] for found in _SUMS.finditer(rationale or "") if not _holds(found))


def _is_level(line: str) -> bool:
    found = _LEVEL.fullmatch(line)
    return found is not None and LEVELS[int(found[2] or found[3]) - 1] == found[1]


def _holds(found: re.Match[str]) -> bool:
    x, y, z = int(found[1]), int(found[3]), int(found[4])
    return y != 0 and x == y * z if found[2] == "/" else bool(_OPERATIONS[found[2]](x, y) == z)


def _worst_kind(lines: list[str], sentences: list[Sentence | None]) -> Kind:
    """The kind of the worst line. `before` is the value of the step before, None where there is no such number."""
    worst, before = 0, None
    for number, (text, sentence) in enumerate(zip(lines, sentences, strict=True), start=1):
        line = _read_line(text)
        if line is None or sentence is None or line.number != number:
            return "noisy"
        worst = max(worst, KINDS.index(_kind_of_line(line, sentence, before)))
        before = _value_of(sentence, before)
    return KINDS[worst]


def _read_line(text: str) -> _Line | None:
    found = _STEP.fullmatch(text)
    return found and _Line(int(found[1]), found[2], tuple(found[3].split("; ")) if found[3] else ())


def _kind_of_line(line: _Line, sentence: Sentence, before: int | None) -> Kind:
    if not line.parts:
        of_step = any(concept in CONCEPTS[sentence.family.name] for concept in re.findall(_CONCEPT, line.concepts))
        return "labels only" if of_step else "noisy"
    parts, value = _without_value(line.parts, sentence)
    if sentence.role == "name" and value is None:
        return "noisy"
    if parts[:1] == [f"take {sentence.phrase}"]:
        return _after_the_fact(parts[1:], sentence, before, value)
    return "design-first" if _designs(parts, sentence, before, value) else "noisy"


def _without_value(parts: tuple[str, ...], sentence: Sentence) -> tuple[list[str], int | None]:
    """The parts before `NAME=VALUE` at the end of a named step, and the value."""
    found = _VALUE.fullmatch(parts[-1]) if sentence.role == "name" else None
    return (list(parts[:-1]), int(found[2])) if found and found[1] == sentence.name else (list(parts), None)


def _after_the_fact(sums: list[str], sentence: Sentence, before: int | None, value: int | None) -> Kind:
    """Any true sums will do, but a value has to be that of the step, as far as the reference is known."""
    if not all(map(_SUM.fullmatch, sums)):
        return "noisy"
    if value is None or (before is None and any(one.is_name for one in sentence.operands)):
        return "after the fact"
    return "after the fact" if _value_of(sentence, before) == value else "noisy"


def _designs(parts: list[str], sentence: Sentence, before: int | None, value: int | None) -> bool:
    """Whether the idea and the sums give the operands of the step, and its value."""
    refers = any(one.is_name for one in sentence.operands)
    idea, sums, of_value = DESIGNS[sentence.family.name].variant(refers)
    numbers = _idea_numbers(sentence, idea, parts[0], before, refers)
    written = sums + of_value if value is not None else sums
    if numbers is None or len(parts) != 1 + len(written) or not all(map(_fits, written, parts[1:], repeat(numbers))):
        return False
    if value is None:
        _complete(numbers, of_value)
    operands = {one.slot: numbers.get(one.slot) for one in sentence.operands}
    given = all(
        one.slot == sentence.family.reference if one.is_name else operands[one.slot] == _literal(one.text)
        for one in sentence.operands
    )
    designed = numbers.get("v")
    return given and designed == _value(sentence.family, operands) and value in (None, designed)


def _idea_numbers(sentence: Sentence, idea: str, text: str, before: int | None, refers: bool) -> dict[str, int] | None:
    """The numbers of an idea by their letters, or None if the text is not that idea about that reference."""
    found = _idea_pattern(idea, sentence.family.reference if refers else None).fullmatch(text)
    if found is None:
        return None
    groups = found.groupdict()
    name = groups.pop("name", None)
    numbers = {letter: int(number) for letter, number in groups.items()}
    if refers and name not in [one.text for one in sentence.operands]:
        return None
    if refers and before is not None and numbers[sentence.family.reference or ""] != before:
        return None
    if helper := DESIGNS[sentence.family.name].helper:
        numbers[helper[0]] = helper[1](numbers["k"])
    return numbers


@cache
def _idea_pattern(idea: str, reference: str | None) -> re.Pattern[str]:
    pattern = ""
    for before, letter, _, _ in Formatter().parse(idea):
        pattern += re.escape(before)
        if letter is not None:
            pattern += "(?P<name>[A-Z])=" * (letter == reference) + f"(?P<{letter}>{_NUMBER})"
    return re.compile(pattern)


_TEMPLATE = re.compile("([a-z]|[0-9]+)([-+*/])([a-z]|[0-9]+)=([a-z])")


def _fits(template: str, text: str, numbers: dict[str, int]) -> bool:
    """Whether a sum is that of the template; letters that are new get their numbers from it."""
    wanted, found = _TEMPLATE.fullmatch(template), _SUM.fullmatch(text)
    if not (wanted and found and wanted[2] == found[2]):
        return False
    for letter, number in zip(wanted.group(1, 3, 4), found.group(1, 3, 4), strict=True):
        if int(number) != (int(letter) if letter.isdigit() else numbers.setdefault(letter, int(number))):
            return False
    return True


def _complete(numbers: dict[str, int], sums: list[str]) -> None:
    """Work out the sums that a step which is asked for does not write; all of them are products or plain sums."""
    for template in sums:
        wanted = _TEMPLATE.fullmatch(template)
        assert wanted, "the sums of the value are templates"
        numbers[wanted[4]] = _OPERATIONS[wanted[2]](numbers[wanted[1]], numbers[wanted[3]])


def _value_of(sentence: Sentence, before: int | None) -> int | None:
    """The value of a step of the problem."""
    operands = {one.slot: before if one.is_name else _literal(one.text) for one in sentence.operands}
    return _value(sentence.family, operands)


def _literal(text: str) -> int | None:
    """The number of an operand, if the language has room for it."""
    return int(text) if len(text) <= len(str(LIMIT)) else None


def _value(family: Family, operands: dict[str, int | None]) -> int | None:
    """The value of a step, or None if an operand is missing or out of range, or no such number exists."""
    numbers = {slot: number for slot, number in operands.items() if number is not None and 1 <= number <= LIMIT}
    return family.value(**numbers) if len(numbers) == len(operands) else None
