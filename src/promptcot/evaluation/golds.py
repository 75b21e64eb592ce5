"""Whether rows agree about problems: one id is one problem with one gold, and a row has one gold.

Golds are compared as answers are, so that 0.5 and 1/2 are one gold; where that cannot be decided they are taken to
agree. Which gold counts is decided in `core.problems`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from promptcot.core.answers import exact
from promptcot.core.problems import problem_of, two_golds
from promptcot.core.remedies import shown
from promptcot.errors import InputError, UnfitRow
from promptcot.evaluation.compared import Key, Same
from promptcot.records import Row
from promptcot.storage.rows import hash_id

_MOST_SHOWN = 60


class SharedId(InputError):
    """Two rows of one id have different problems or golds. Which of them is wrong cannot be known, so both stop."""


class _Known(NamedTuple):
    """The first row of a problem: where it is, what is asked, as a hash and as it begins, and its gold.

    `worded` says whether what is asked is the problem alone, or a prompt that may put it in any way.
    """

    where: str
    worded: bool
    asked: int | None
    begins: str
    gold: str | None


class Problems:
    """The problems of some files by source and id, as their first rows have them. About 200 bytes each."""

    def __init__(self, grader: Same) -> None:
        self._grader = grader
        self._known: dict[Key, _Known] = {}

    async def check(self, key: Key, row: Row, where: str, gold: str | None) -> None:
        """Raises SharedId for a row whose problem, or gold, is not that of an earlier row with its id."""
        text, worded = _problem(row, where), bool(row.get("problem"))
        asked = None if text is None else hash_id(" ".join(text.split()))
        first = self._known.get(key)
        if first is None:
            self._known[key] = _Known(where, worded, asked, shown(text or "", _MOST_SHOWN), gold)
            return
        if None not in (first.asked, asked) and first.asked != asked and first.worded == worded:
            raise SharedId(_words(key, "problem", where, shown(text or "", _MOST_SHOWN), first, first.begins))
        if first.gold is None or gold is None:
            self._known[key] = first._replace(gold=first.gold if gold is None else gold)
        elif first.gold != gold and (await self._grader.asame(first.gold, gold)).correct is False:
            raise SharedId(_words(key, "gold", where, gold, first, first.gold))


def _words(key: Key, what: str, where: str, here: str, first: _Known, there: str) -> str:
    of = f" of {key[0]}" if key[0] else ""
    return (
        f"{where}: the {what} with id {key[1]!r}{of} is {here!r}, and in {first.where} it is {there!r}. Rows "
        "with one id are about one problem: give each problem an id of its own, or leave `id` out"
    )


def _problem(row: Row, where: str) -> str | None:
    """The problem's words, where the row has them in a field of their own, or as a prompt."""
    try:
        return problem_of(row, where)
    except UnfitRow:
        return None


class Contradictions:
    """Rows whose `answer` is not what their `reference_solution` ends with: how many, and the first.

    `same` decides what cannot be decided without algebra.
    """

    def __init__(self, same: Callable[[str, str], bool | None] | None = None) -> None:
        self._same = same or (lambda one, other: None)
        self._decided: dict[tuple[str, str], bool] = {}
        self._count = 0
        self._example = ""

    def look(self, row: Row, where: str) -> None:
        """Look at one row."""
        golds = two_golds(row)
        if golds is None:
            return
        if golds not in self._decided:
            self._decided[golds] = self._differ(*golds)
        if self._decided[golds]:
            self._count += 1
            answer, reference = (shown(gold, _MOST_SHOWN) for gold in golds)
            self._example = self._example or f"{where}: {answer!r}, and {reference!r} after ####"

    def _differ(self, answer: str, reference: str) -> bool:
        found = exact.same(reference, answer)
        return (self._same(reference, answer) if found is None else found) is False

    @property
    def lines(self) -> list[str]:
        """What is to be told of them; nothing where there are none."""
        if not self._count:
            return []
        rows = "1 row" if self._count == 1 else f"{self._count:,} rows"
        return [f"`answer` contradicts `reference_solution` in {rows}, and is what counts; for example {self._example}"]
