"""Checks that rows agree about problems: one id is one problem with one gold, and a row has one gold.

Golds are compared like answers, so 0.5 and 1/2 are one gold; if the comparison is undecided they are taken to agree.
`core.problems` decides which gold is used.
"""

from __future__ import annotations

from typing import NamedTuple

from promptcot.core.problems import problem_of, two_golds
from promptcot.core.remedies import shown
from promptcot.errors import InputError, UnfitRow
from promptcot.evaluation.compared import Key
from promptcot.evaluation.registry import grader_of, verifier_of
from promptcot.grading.graders import Graders
from promptcot.grading.verifiers import MATHEMATICS, at_once
from promptcot.records import Row
from promptcot.storage.rows import hash_id

_MOST_SHOWN = 60


class SharedId(InputError):
    """Two rows with one id have different problems or golds. It is unknown which one is wrong, so both stop."""


class _Known(NamedTuple):
    """The first row of a problem: its place, the problem as a hash and its beginning, its gold and the gold's place.

    `worded` says whether the text is the problem alone, or a prompt with any wording.
    """

    where: str
    worded: bool
    asked: int | None
    begins: str
    gold: str | None
    gold_where: str


class Problems:
    """Problems of several files by source and id, from their first rows. About 200 bytes each."""

    def __init__(self, graders: Graders) -> None:
        self._graders = graders
        self._known: dict[Key, _Known] = {}

    def know(self, key: Key, text: str, gold: str, where: str, *, worded: bool) -> None:
        """Add a problem of a benchmark: rows with its id are checked against it."""
        self._known[key] = _known(where, text, worded, gold)

    async def check(self, key: Key, row: Row, where: str, gold: str | None) -> None:
        """Raises SharedId if the row's problem or gold differs from an earlier row with its id."""
        text, worded = _problem(row, where), bool(row.get("problem"))
        this = _known(where, text, worded, gold)
        first = self._known.setdefault(key, this)
        if None not in (first.asked, this.asked) and first.asked != this.asked and first.worded == worded:
            raise SharedId(_difference(key, "problem", where, this.begins, first.where, first.begins))
        if gold is None:
            return
        if first.gold is None:
            self._known[key] = first._replace(gold=gold, gold_where=where)
        elif first.gold != gold and await self._differ(key[0], first.gold, gold):
            raise SharedId(_difference(key, "gold", where, gold, first.gold_where, first.gold))

    async def _differ(self, source: str, one: str, other: str) -> bool:
        return (await grader_of(self._graders, source).asame(one, other)).correct is False


def _known(where: str, text: str | None, worded: bool, gold: str | None) -> _Known:
    asked = None if text is None else hash_id(" ".join(text.split()))
    return _Known(where, worded, asked, shown(text or "", _MOST_SHOWN), gold, where)


def _difference(key: Key, what: str, where: str, here: str, other: str, there: str) -> str:
    of = f" of {key[0]}" if key[0] else ""
    return (
        f"{where}: the {what} with id {key[1]!r}{of} is {here!r}, and in {other} it is {there!r}. Rows "
        "with one id are about one problem: give each problem an id of its own, or leave `id` out"
    )


def _problem(row: Row, where: str) -> str | None:
    """The text of the problem, from the row's own field or from its prompt."""
    try:
        return problem_of(row, where)
    except UnfitRow:
        return None


class Contradictions:
    """Rows whose `answer` differs from the end of their `reference_solution`: their number, and the first.

    Without `graders`, only cheap comparisons are made.
    """

    def __init__(self, graders: Graders | None = None) -> None:
        self._graders = graders
        self._decided: dict[tuple[str, str, str], bool] = {}
        self._count = 0
        self._example = ""

    def look(self, row: Row, where: str) -> None:
        """Look at one row."""
        golds = two_golds(row)
        if golds is None:
            return
        asked = (str(row.get("source") or ""), *golds)
        if asked not in self._decided:
            self._decided[asked] = self._differ(*asked)
        if self._decided[asked]:
            self._count += 1
            answer, reference = (shown(gold, _MOST_SHOWN) for gold in golds)
            self._example = self._example or f"{where}: {answer!r}, and {reference!r} after ####"

    def _differ(self, source: str, answer: str, reference: str) -> bool:
        if self._graders is None:
            return at_once(verifier_of(source) or MATHEMATICS, reference, answer) is False
        return grader_of(self._graders, source).same_gold(reference, answer) is False

    @property
    def lines(self) -> list[str]:
        """The messages about them; empty if there are none."""
        if not self._count:
            return []
        rows = "1 row" if self._count == 1 else f"{self._count:,} rows"
        return [
            f"`answer` contradicts `reference_solution` in {rows}, and takes precedence; for example {self._example}"
        ]
