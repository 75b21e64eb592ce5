"""Parses a generator's text: the blocks of its domain, such as a rationale and a problem, each between its markers.

An annotator, which already has the problem, writes only the other blocks, between the same markers.

The parser is strict and never guesses: each marker must occur exactly once, in order, with text between the two of a
pair, and only space and code fences between the pairs. Text before the first marker and after the last one is ignored,
because models greet, think aloud or continue. A reply is unreadable if its blocks are within its thinking (drafts), if
a block contains something like a marker (it may be two blocks or half of one), or if a block repeats the prompt. Judges
decide whether the problem is good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from promptcot.core.parsing.folding import folded
from promptcot.core.parsing.own import repeats, unescaped
from promptcot.core.parsing.replies import split_thinking
from promptcot.core.parsing.traces import CLOSE, OPEN
from promptcot.records import LENGTH, STOP, FinishReason, finish_of

_BEGIN = re.compile(r"<!-- BEGIN ([A-Z_]+) -->")
_FENCES = re.compile(r"(?:\s|```\w*+)*+")


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks that a generator writes, in order, and which of them is the problem. A name has letters and `_`."""

    names: tuple[str, ...] = ("rationale", "problem")
    problem: str = "problem"

    @property
    def others(self) -> tuple[str, ...]:
        """The blocks that an annotator writes: all but the problem."""
        return tuple(name for name in self.names if name != self.problem)

    def fields(self, texts: Mapping[str, str]) -> dict[str, str]:
        """The fields of a row: each block by its name, and `problem`, the text that solvers see."""
        return {**texts, "problem": texts[self.problem]}


PLAIN = Blocks()
"""Rationale and problem, as in the public files."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text cannot be parsed: a short, stable reason under which such texts are counted."""

    reason: str


def parse(
    text: str, finish_reason: FinishReason = STOP, prompt: str = "", blocks: Blocks = PLAIN
) -> dict[str, str] | Unreadable:
    """The blocks by name in `text`, a reply to `prompt`, or why it cannot be parsed. Never raises.

    Blocks have neither markers nor surrounding space, and none is empty. Reasons: `empty`, `cut off` (the model reached
    its limit before the last marker, or before any text), `no MARKER` (it is missing), `repeated MARKER`,
    `markers out of order`, `text between NAME and NAME`, `empty NAME`, `unclear thinking` (the markers are in it, or
    it is between them), `unclear marker` (something within a block looks like one), `repeated from the prompt`.
    """
    if not text.strip() and finish_reason != "length":
        return Unreadable("empty")
    return _read(text, blocks.names, blocks, finish_reason, prompt)


def parse_others(
    text: str, finish_reason: FinishReason = STOP, prompt: str = "", blocks: Blocks = PLAIN
) -> dict[str, str] | Unreadable:
    """The blocks of an annotator's reply to `prompt`, all but the problem, or why it cannot be parsed. Never raises.

    Thinking before them is skipped. Reasons: `unclear thinking`, `NAME markers` of the problem, and those of `parse`
    that a text without a problem can have.
    """
    if not text.strip() and finish_reason != "length":
        return Unreadable("empty")
    answer = split_thinking(text)
    if answer is None:
        return Unreadable("cut off" if finish_of(finish_reason) == LENGTH else "unclear thinking")
    problem = markers((blocks.problem,))
    if not {match[1] for match in _marker(blocks.names).finditer(answer.text)}.isdisjoint(problem):
        return Unreadable(f"{blocks.problem} markers")
    return _read(answer.text, blocks.others, blocks, finish_reason, prompt)


def render(texts: Mapping[str, str], blocks: Blocks = PLAIN) -> str:
    """A text that `parse` parses into these blocks, provided that none of them contains a marker."""
    return "\n".join(f"{_shown(begin)}\n{texts[name]}\n{_shown(end)}" for name, begin, end in _pairs(blocks.names))


def markers(names: Sequence[str]) -> tuple[str, ...]:
    """The words of the markers around blocks of these names, in order: `BEGIN RATIONALE`, `END RATIONALE` …"""
    return tuple(f"{edge} {name.upper()}" for name in names for edge in ("BEGIN", "END"))


def shows_others(prompt: str, names: Sequence[str]) -> str | None:
    """How the markers in a prompt differ from these blocks or their order; None if they fit.

    A prompt without any markers fits: a generator may know them from its training.
    """
    shown = [name.lower() for name in _BEGIN.findall(prompt)]
    rest = iter(shown)
    if not shown or (set(shown) == set(names) and all(name in rest for name in names)):
        return None
    for name in names:
        if name not in shown:
            return f"no markers of the block {name} ({_shown(markers((name,))[0])})"
    more = next((name for name in shown if name not in names), None)
    return "the markers in another order" if more is None else f"{_shown(markers((more,))[0])}, which begins no block"


def _pairs(names: Sequence[str]) -> list[tuple[str, str, str]]:
    words = markers(names)
    return list(zip(names, words[::2], words[1::2], strict=True))


def _shown(marker: str) -> str:
    return f"<!-- {marker} -->"


@lru_cache(maxsize=64)
def _marker(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"<!-- ((?:BEGIN|END) (?:{'|'.join(name.upper() for name in names)})) -->")


@lru_cache(maxsize=64)
def _like_marker(names: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern for text that looks like a marker, in folded text."""
    name = "|".join(folded(name).replace("_", r"[\s_-]{0,9}") for name in names)
    return re.compile(
        rf"--\s{{0,9}}/?\s{{0,9}}(?:begin|end)[\s_-]{{0,9}}(?:{name})"
        rf"|^[^\w\n]{{0,20}}(?:begin|end)[\s_-]{{1,9}}(?:{name})[^\w\n]{{0,20}}$",
        re.MULTILINE,
    )


def _read(
    text: str, names: tuple[str, ...], blocks: Blocks, finish_reason: FinishReason, prompt: str
) -> dict[str, str] | Unreadable:
    """The blocks with these names. The text must not contain other blocks of the domain."""
    found = list(_marker(blocks.names).finditer(text))
    words = tuple(match[1] for match in found)
    if words != markers(names):
        return Unreadable(_what_is_wrong(words, finish_reason, markers(names)))
    if not found:
        return {}
    if _in_thinking(text[: found[0].start()], text[found[0].end() : found[-1].start()], text[found[-1].end() :]):
        return Unreadable("unclear thinking")
    pieces = [text[a.end() : b.start()].strip() for a, b in pairwise(found)]
    texts = dict(zip(names, pieces[::2], strict=True))
    for (one, other), between in zip(pairwise(names), pieces[1::2], strict=True):
        if not _FENCES.fullmatch(between):
            return Unreadable(f"text between {one} and {other}")
    for name, block in texts.items():
        if not block:
            return Unreadable(f"empty {name}")
    why = next(filter(None, (_not_its_own(block, prompt, blocks) for block in texts.values())), None)
    return Unreadable(why) if why else texts


def _in_thinking(before: str, within: str, after: str) -> bool:
    """Whether the markers are in the thinking, or the thinking is between the markers."""
    ends_after = CLOSE in after.partition(OPEN)[0]
    return before.count(OPEN) > before.count(CLOSE) or OPEN in within or CLOSE in within or ends_after


def _not_its_own(block: str, prompt: str, blocks: Blocks) -> str | None:
    """Why a block cannot be one that the model wrote and meant."""
    like = _like_marker(blocks.names)
    if like.search(folded(block)) or like.search(folded(unescaped(block))):
        return "unclear marker"
    shown = {" ".join(prompt[a.end() : b.start()].split()) for a, b in pairwise(_marker(blocks.names).finditer(prompt))}
    return "repeated from the prompt" if " ".join(block.split()) in shown or repeats(block, prompt) else None


def _what_is_wrong(words: tuple[str, ...], finish_reason: FinishReason, wanted: tuple[str, ...]) -> str:
    if finish_of(finish_reason) == LENGTH and words == wanted[: len(words)]:
        return "cut off"
    for word in wanted:
        if word not in words:
            return f"no {word}"
    for word in wanted:
        if words.count(word) > 1:
            return f"repeated {word}"
    return "markers out of order"
