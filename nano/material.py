"""Reads what a generator wrote: the markup, the lines of the rationale with their ideas and sums, and the problem.

Any text can be read; what is right about it is decided in `following`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from nano.families import FAMILIES, Family
from nano.sentences import Sentence, read_problem, read_sentence

MARKERS = tuple(f"<!-- {edge} {part} -->" for part in ("RATIONALE", "PROBLEM") for edge in ("BEGIN", "END"))
_WHOLE = re.compile(r"\n".join([MARKERS[0], "(.*)", MARKERS[1], MARKERS[2], "(.*)", MARKERS[3]]), re.S)
_MARKERLIKE = re.compile(r"<!|-->|RATIONAL|PROBLEM")
_LEVEL = re.compile(r"The level \S+ asks for \d+ steps?\.")
_STEP = re.compile(r"Step \d+ (?:uses|adds) ([^:]+?)(?:: (.+))?\.")
_RESULT = re.compile(r"\d+[-+*/]\d+=(\d+)")
_VALUE = re.compile(r"([A-Z])=(\d+)")


@dataclass(frozen=True)
class Idea:
    """An idea that was read: its family, its numbers, and the name that it refers to."""

    family: Family
    numbers: dict[str, int]
    name: str = ""


@dataclass(frozen=True)
class Line:
    """A step of a rationale: an idea, the sentence after "take", or neither; sums as text; the name and its value."""

    parts: int
    idea: Idea | None = None
    taken: Sentence | None = None
    sums: tuple[str, ...] = ()
    name: str = ""
    value: int = 0

    @property
    def results(self) -> list[int]:
        """The results of the sums as they are written, up to the first part that is no sum."""
        found = []
        for text in self.sums:
            if (match := _RESULT.fullmatch(text)) is None:
                break
            found.append(int(match[1]))
        return found


@dataclass(frozen=True)
class Material:
    """The steps of the rationale (None: a line that cannot be read), and the problem with its sentences."""

    well_marked: bool
    lines: tuple[Line | None, ...]
    problem: str

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of the problem, read once; those that cannot be read are among them."""
        return tuple(read_problem(self.problem))


def read_material(text: str) -> Material:
    """What stands in a completion of the generator."""
    text = text.strip("\n")
    whole = _WHOLE.fullmatch(text)
    if whole and "<!--" not in whole[1] + whole[2]:
        return Material(True, _lines(whole[1]), whole[2].strip())
    plain = [line for line in text.splitlines() if line and not _MARKERLIKE.search(line)]
    rationale = [line for line in plain if line.startswith(("Step", "The level"))]
    problem = " ".join(line for line in plain if line not in rationale)
    return Material(False, _lines("\n".join(rationale)), problem)


def _lines(rationale: str) -> tuple[Line | None, ...]:
    return tuple(_line(text) for text in rationale.splitlines() if not _LEVEL.fullmatch(text))


def _line(text: str) -> Line | None:
    if (match := _STEP.fullmatch(text)) is None:
        return None
    if match[2] is None:
        return Line(0)
    first, *rest = match[2].split("; ")
    named = _VALUE.fullmatch(rest[-1]) if rest else None
    sums = tuple(rest[:-1] if named else rest)
    name, value = (named[1], int(named[2])) if named else ("", 0)
    taken = read_sentence(f"Find {first.removeprefix('take ')}.") if first.startswith("take ") else None
    return Line(1 + len(rest), None if taken else read_idea(first), taken, sums, name, value)


@cache
def _ideas() -> list[tuple[re.Pattern[str], Family, bool]]:
    """The patterns of all ideas; the last says whether the idea must refer to a name."""
    found = []
    for family in FAMILIES:
        for form, template in enumerate(dict.fromkeys(family.ideas)):
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\d+)", re.escape(template))
            pattern = pattern.replace(f"(?P<{family.slot}>", f"(?:(?P<name>[A-Z])=)?(?P<{family.slot}>")
            found.append((re.compile(pattern), family, form == 1))
    return found


def read_idea(text: str) -> Idea | None:
    """The idea that the text states. None for other text, and where it lacks the name that it must refer to."""
    for pattern, family, linked in _ideas():
        if match := pattern.fullmatch(text):
            found = match.groupdict()
            name = found.pop("name", None) or ""
            if name or not linked:
                return Idea(family, {slot: int(number) for slot, number in found.items()}, name)
    return None
