"""Reads the text of a generator: a rationale and then a problem, each between its own pair of markers.

The reading is strict, which means that nothing is guessed: each of the four markers stands in the text exactly once, in
order, with something between the two of a pair, and nothing but space and code fences between the pairs. Text before
the first marker and after the last one is left aside: a model may greet, think aloud or run on. Whether the problem is
any good is for judges to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from promptcot.records import FinishReason

_NAMES = ("BEGIN RATIONALE", "END RATIONALE", "BEGIN PROBLEM", "END PROBLEM")
_MARKER = re.compile(r"<!-- ((?:BEGIN|END) (?:RATIONALE|PROBLEM)) -->")
_FENCES = re.compile(r"(?:\s|```\w*)*")


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generator wrote, without markers and surrounding space; neither part is empty."""

    rationale: str
    problem: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text is not a generation: a short, stable reason under which such texts are counted."""

    reason: str


def parse(text: str, finish_reason: FinishReason = "stop") -> Generation | Unreadable:
    """The generation in `text`, or why there is none. Never raises.

    Reasons: `empty`, `cut off` (the model reached its limit before the last marker), `no NAME` for a marker that is
    missing, `repeated NAME`, `markers out of order`, `text between rationale and problem`, `empty rationale`, `empty
    problem`.
    """
    if not text.strip():
        return Unreadable("empty")
    found = list(_MARKER.finditer(text))
    names = tuple(match[1] for match in found)
    if names != _NAMES:
        return Unreadable(_what_is_wrong(names, finish_reason))
    rationale, between, problem = (text[a.end() : b.start()] for a, b in pairwise(found))
    if not _FENCES.fullmatch(between):
        return Unreadable("text between rationale and problem")
    if not rationale.strip():
        return Unreadable("empty rationale")
    if not problem.strip():
        return Unreadable("empty problem")
    return Generation(rationale.strip(), problem.strip())


def render(rationale: str, problem: str) -> str:
    """The text that `parse` reads as this rationale and this problem, provided that neither holds a marker."""
    begin_rationale, end_rationale, begin_problem, end_problem = (f"<!-- {name} -->" for name in _NAMES)
    return "\n".join([begin_rationale, rationale, end_rationale, begin_problem, problem, end_problem])


def _what_is_wrong(names: tuple[str, ...], finish_reason: FinishReason) -> str:
    if finish_reason == "length" and names == _NAMES[: len(names)]:
        return "cut off"
    for name in _NAMES:
        if name not in names:
            return f"no {name}"
    for name in _NAMES:
        if names.count(name) > 1:
            return f"repeated {name}"
    return "markers out of order"
