"""Learns a prompt template from rows with prompts, so that new prompts have exactly the same wording.

A prompt is taken to be constant text, a numbered list of concepts, constant text, with the level in one or more places
outside the list. Two rows with different levels show where the level is; then every row has to be rebuilt from its
concepts and level, byte for byte, or nothing is learnt. Inserted text is data: a template is pieces of text that are
joined, and nothing is evaluated.

Rows may have their concepts and level in `foundational_concepts` and `level`. Otherwise these are parsed from the
prompt: the list must have one concept a line, and the level must be a known one (once the wording is learnt, any
single word in its place is accepted). Rows are streamed more than once; only a few are held in memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from promptcot.core.parsing.lines import lines_of
from promptcot.core.parsing.numbered_lists import NumberedList, find_items, find_lists
from promptcot.errors import InputError
from promptcot.records import Row

Rows = Sequence[Row] | Callable[[], Iterable[Row]]
"""Rows that can be read more than once: a sequence, or a function that starts a new pass."""


@dataclass(frozen=True, slots=True)
class LearntTemplate:
    """A wording. `head` and `tail` are the texts around the list, each split at the places of the level.

    The list is `1`, `close` and a concept; then, for each further one, `between`, its number, `close` and the concept.
    """

    head: tuple[str, ...]
    between: str
    close: str
    tail: tuple[str, ...]

    def render(self, concepts: Sequence[str], level: str) -> str:
        """The prompt for these concepts, in this order, at this level."""
        items = (f"{number}{self.close}{concept}" for number, concept in enumerate(concepts, 1))
        return level.join(self.head) + self.between.join(items) + level.join(self.tail)

    def read(self, prompt: str, levels: Sequence[str]) -> tuple[list[str], str] | None:
        """The concepts, one a line, and the level of a prompt in this wording; None if it is not in this wording."""
        level = "(?P=level)"
        head, tail = (level.join(re.escape(piece) for piece in part) for part in (self.head, self.tail))
        pattern = f"{head}1{re.escape(self.close)}(?P<list>.+){tail}"
        first = f"(?P<level>{_any_of(levels)}|[\\w+-]+)"
        match = re.fullmatch(pattern.replace(level, first, 1), prompt, re.DOTALL)
        concepts = self._items(match["list"]) if match else []
        if match is None or not all(len(lines_of(concept)) == 1 for concept in concepts):
            return None
        return concepts, match["level"]

    def _items(self, text: str) -> list[str]:
        """The concepts of a list, whose first `1` and `close` are already gone."""
        concepts: list[str] = []
        separator = "1"
        while separator:
            concept, separator, text = text.partition(f"{self.between}{len(concepts) + 2}{self.close}")
            concepts.append(concept)
        return concepts


def learn_template(rows: Rows, levels: Sequence[str], source: str = "rows") -> LearntTemplate:
    """The wording that all `rows` share; `source` names them in errors.

    Raises InputError if there are no rows, a row has no prompt or does not fit the wording (the first such row, and how
    it differs), or the place of the list or the level is ambiguous.
    """
    one, other = _examples(rows, levels, source)
    head, tail = _cut_both(one, other, levels, source) if other else _cut_alone(one, levels, source)
    if len(head) + len(tail) == 2:
        raise InputError(f"{source}: the prompt of row {one.number} names no level outside its list of concepts")
    template = LearntTemplate(head, one.found.between, one.found.close, tail)
    for number, row in _numbered(rows, source):
        if complaint := _complaint(template, row, levels):
            raise InputError(f"{source}: row {number} does not fit the wording of row {one.number}: {complaint}")
    return template


@dataclass(frozen=True, slots=True)
class _Example:
    """A row to learn from: its number, its list, the texts around that, and its level if it has the field."""

    number: int
    found: NumberedList
    head: str
    tail: str
    level: str | None


def _numbered(rows: Rows, source: str) -> Iterator[tuple[int, Row]]:
    for number, row in enumerate(rows() if callable(rows) else rows, 1):
        if not isinstance(row.get("prompt"), str):
            raise InputError(f"{source}: row {number} has no text in `prompt`")
        yield number, row


def _examples(rows: Rows, levels: Sequence[str], source: str) -> tuple[_Example, _Example | None]:
    """The first row with a list, and the first one after it with another level, if there is one."""
    which = _which_list(rows, source)
    examples = (_example(number, row, which) for number, row in _numbered(rows, source))
    examples_with_list = (example for example in examples if example)
    one = next(examples_with_list)
    return one, next((other for other in examples_with_list if _levels(one, other, levels)), None)


def _which_list(rows: Rows, source: str) -> int:
    """The index, among the lists of a prompt, of the list of concepts: the first that varies."""
    first: Row | None = None
    for _, row in _numbered(rows, source):
        if first is None:
            first = row if _lists(row) else None
        elif row["prompt"] != first["prompt"] and (constant := _lists(row)):
            held = {found.items for found in constant}
            return next((i for i, found in enumerate(_lists(first)) if found.items not in held), 0)
    if first is None:
        raise InputError(f"{source}: no row has a prompt with a numbered list of two or more concepts")
    return 0


def _lists(row: Row) -> list[NumberedList]:
    """The lists that may hold the concepts: the one with the concepts of the row's field, or else all of the prompt."""
    concepts = _concepts(row)
    if concepts is None:
        return find_lists(row["prompt"])
    found = find_items(row["prompt"], concepts)
    return [found] if found else []


def _example(number: int, row: Row, which: int) -> _Example | None:
    lists = _lists(row)
    if not lists:
        return None
    found = lists[min(which, len(lists) - 1)]
    prompt = row["prompt"]
    return _Example(number, found, prompt[: found.start], prompt[found.end :], _level(row))


def _concepts(row: Row) -> list[str] | None:
    concepts = row.get("foundational_concepts")
    return [str(concept) for concept in concepts] if isinstance(concepts, list) else None


def _level(row: Row) -> str | None:
    level = row.get("level")
    return level if isinstance(level, str) and level else None


def _levels(one: _Example, other: _Example, levels: Sequence[str]) -> tuple[str, str] | None:
    """The levels of two examples if they differ and are known: from their fields, or mentioned more often in one."""
    if one.level and other.level:
        return (one.level, other.level) if one.level != other.level else None
    mentions, others = _mentions(one, levels), _mentions(other, levels)
    more, fewer = list(mentions - others), list(others - mentions)
    return (more[0], fewer[0]) if len(more) == len(fewer) == 1 else None


def _mentions(example: _Example, levels: Sequence[str]) -> Counter[str]:
    """How often each level occurs around the list of an example."""
    return Counter(level for text in (example.head, example.tail) for level in _mention(levels).findall(text))


def _mention(levels: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_any_of(levels)})(?!\w)")


def _any_of(levels: Sequence[str]) -> str:
    """A pattern for one of the levels; the longest come first, since one may be the start of another."""
    return "|".join(re.escape(level) for level in sorted(levels, key=len, reverse=True))


def _cut_alone(one: _Example, levels: Sequence[str], source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Head and tail split at the level, if all rows have the same one: possible if no other level is mentioned."""
    mentioned = sorted({*_mentions(one, levels), *([one.level] if one.level else [])})
    if not mentioned:
        raise InputError(
            f"{source}: the prompt of row {one.number} names no known level ({', '.join(levels)}): "
            "add a field `level` to the rows, or name the levels that they use"
        )
    if len(mentioned) > 1:
        raise InputError(
            f"{source}: all rows seem to have the same level, but the prompt of row {one.number} names several "
            f"({', '.join(mentioned)}), so the row's own level is unclear: add a row of another level"
        )
    level = _mention(mentioned)
    return tuple(level.split(one.head)), tuple(level.split(one.tail))


def _cut_both(
    one: _Example, other: _Example, levels: Sequence[str], source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Head and tail, split where each example has its own level; the rest must be equal."""
    differing = _levels(one, other, levels)
    assert differing is not None  # the other example was chosen that way
    where = f"{source}: row {other.number} does not fit the wording of row {one.number}"
    head = _align(one.head, other.head, differing, f"{where} before the list")
    tail = _align(one.tail, other.tail, differing, f"{where} after the list")
    return head, tail


def _align(one: str, other: str, levels: tuple[str, str], where: str) -> tuple[str, ...]:
    """The common text of both, split where `one` has the first level and `other` the second. InputError if they differ.

    Other levels that are listed as part of the wording are in both texts, and not split at.
    """
    cuts, start, i, j = [], 0, 0, 0
    while i < len(one) or j < len(other):
        if one.startswith(levels[0], i) and other.startswith(levels[1], j):
            cuts.append(one[start:i])
            i, j = i + len(levels[0]), j + len(levels[1])
            start = i
        elif one[i : i + 1] == other[j : j + 1]:
            i, j = i + 1, j + 1
        else:
            raise InputError(f"{where}: it has {_excerpt(other, j)} instead of {_excerpt(one, i)}")
    return (*cuts, one[start:])


def _complaint(template: LearntTemplate, row: Row, levels: Sequence[str]) -> str | None:
    """How the row differs from the template filled with its concepts and level, or None if it does not."""
    concepts, level, prompt = _concepts(row), _level(row), row["prompt"]
    if concepts is None or level is None:
        read = template.read(prompt, levels)
        if read is None:
            return _missing(template, prompt)
        concepts, level = concepts or read[0], level or read[1]
    expected = template.render(concepts, level)
    if expected == prompt:
        return None
    at = next(
        (i for i, (a, b) in enumerate(zip(expected, prompt, strict=False)) if a != b), min(len(expected), len(prompt))
    )
    return f"at character {at + 1} it has {_excerpt(prompt, at)} instead of {_excerpt(expected, at)}"


def _missing(template: LearntTemplate, prompt: str) -> str:
    """The first piece of constant text that a prompt lacks, in order."""
    at = 0
    for piece in (*template.head, f"1{template.close}", *template.tail):
        place = prompt.find(piece, at)
        if place < 0:
            return f"after character {at} it lacks the text {_excerpt(piece, 0)}"
        at = place + len(piece)
    return "its list or its level is written in another way"


def _excerpt(text: str, at: int) -> str:
    return repr(text[at : at + 30]) if at < len(text) else "nothing"
