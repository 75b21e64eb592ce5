"""Reads the text of a generator: a rationale and then a problem, each between its own pair of markers.

An annotator, who has the problem already, writes the rationale alone, between the same markers.

The reading is strict, which means that nothing is guessed: each of the four markers stands in the text exactly once, in
order, with something between the two of a pair, and nothing but space and code fences between the pairs. Text before
the first marker and after the last one is left aside: a model may greet, think aloud or run on. But what stands within
its thinking is a draft, a part that holds what looks like a marker may be two parts or half of one, and what the model
repeats of its prompt is not its answer. Whether the problem is any good is for judges to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from promptcot.core.parsing.folding import folded
from promptcot.core.parsing.own import repeats, unescaped
from promptcot.core.parsing.replies import split_thinking
from promptcot.core.parsing.traces import CLOSE, OPEN
from promptcot.records import LENGTH, STOP, FinishReason, finish_of

_NAMES = ("BEGIN RATIONALE", "END RATIONALE", "BEGIN PROBLEM", "END PROBLEM")
_RATIONALE, _PROBLEM = _NAMES[:2], _NAMES[2:]
_MARKER = re.compile(r"<!-- ((?:BEGIN|END) (?:RATIONALE|PROBLEM)) -->")
_FENCES = re.compile(r"(?:\s|```\w*+)*+")
_LIKE_MARKER = re.compile(
    r"--\s{0,9}/?\s{0,9}(?:begin|end)[\s_-]{0,9}(?:rationale|problem)"
    r"|^[^\w\n]{0,20}(?:begin|end)[\s_-]{1,9}(?:rationale|problem)[^\w\n]{0,20}$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generator wrote, without markers and surrounding space; neither part is empty."""

    rationale: str
    problem: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text is not what was asked for: a short, stable reason under which such texts are counted."""

    reason: str


def parse(text: str, finish_reason: FinishReason = STOP, prompt: str = "") -> Generation | Unreadable:
    """The generation in `text`, which answers `prompt`, or why there is none. Never raises.

    Reasons: `empty`, `cut off` (the model reached its limit before the last marker, or before any text), `no NAME` for
    a marker that is missing, `repeated NAME`, `markers out of order`, `text between rationale and problem`, `empty
    rationale`, `empty problem`, `unclear thinking` (the markers stand in it, or it stands between them), `unclear
    marker` (something within a part looks like one), `repeated from the prompt`.
    """
    if not text.strip() and finish_reason != "length":
        return Unreadable("empty")
    found = list(_MARKER.finditer(text))
    names = tuple(match[1] for match in found)
    if names != _NAMES:
        return Unreadable(_what_is_wrong(names, finish_reason))
    if _in_thinking(text[: found[0].start()], text[found[0].end() : found[-1].start()], text[found[-1].end() :]):
        return Unreadable("unclear thinking")
    rationale, between, problem = (text[a.end() : b.start()].strip() for a, b in pairwise(found))
    if not _FENCES.fullmatch(between):
        return Unreadable("text between rationale and problem")
    if not rationale:
        return Unreadable("empty rationale")
    if not problem:
        return Unreadable("empty problem")
    why = _not_its_own(rationale, prompt) or _not_its_own(problem, prompt)
    return Unreadable(why) if why else Generation(rationale, problem)


def parse_rationale(text: str, finish_reason: FinishReason = STOP, prompt: str = "") -> str | Unreadable:
    """The rationale of an annotator, who was asked `prompt`, or why there is none. Never raises.

    What is thought before is skipped. Reasons: `unclear thinking`, `problem markers`, and those of `parse` that a text
    without a problem can have.
    """
    if not text.strip() and finish_reason != "length":
        return Unreadable("empty")
    answer = split_thinking(text)
    if answer is None:
        return Unreadable("cut off" if finish_of(finish_reason) == LENGTH else "unclear thinking")
    found = list(_MARKER.finditer(answer.text))
    names = tuple(match[1] for match in found)
    if not set(names).isdisjoint(_PROBLEM):
        return Unreadable("problem markers")
    if names != _RATIONALE:
        return Unreadable(_what_is_wrong(names, finish_reason, _RATIONALE))
    rationale = answer.text[found[0].end() : found[1].start()].strip()
    why = _not_its_own(rationale, prompt) if rationale else "empty rationale"
    return Unreadable(why) if why else rationale


def _in_thinking(before: str, within: str, after: str) -> bool:
    """Whether the markers of a text stand in its thinking, or its thinking between them."""
    ends_after = CLOSE in after.partition(OPEN)[0]
    return before.count(OPEN) > before.count(CLOSE) or OPEN in within or CLOSE in within or ends_after


def _not_its_own(part: str, prompt: str) -> str | None:
    """Why a part cannot be what the model wrote and meant."""
    if _LIKE_MARKER.search(folded(part)) or _LIKE_MARKER.search(folded(unescaped(part))):
        return "unclear marker"
    shown = {" ".join(prompt[a.end() : b.start()].split()) for a, b in pairwise(_MARKER.finditer(prompt))}
    return "repeated from the prompt" if " ".join(part.split()) in shown or repeats(part, prompt) else None


def render(rationale: str, problem: str) -> str:
    """The text that `parse` reads as this rationale and this problem, provided that neither holds a marker."""
    begin_rationale, end_rationale, begin_problem, end_problem = (f"<!-- {name} -->" for name in _NAMES)
    return "\n".join([begin_rationale, rationale, end_rationale, begin_problem, problem, end_problem])


def _what_is_wrong(names: tuple[str, ...], finish_reason: FinishReason, wanted: tuple[str, ...] = _NAMES) -> str:
    if finish_of(finish_reason) == LENGTH and names == wanted[: len(names)]:
        return "cut off"
    for name in wanted:
        if name not in names:
            return f"no {name}"
    for name in wanted:
        if names.count(name) > 1:
            return f"repeated {name}"
    return "markers out of order"
