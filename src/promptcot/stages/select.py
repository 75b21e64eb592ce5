"""The step `select`: selects labelled problems for a set with the requested pass rates, levels, size and balance.

All rows are held in a file until the end of the input, and memory holds about 80 bytes of each. In `core.selection`,
`settings` defines the options, `choosing` selects the problems, and `profiles` merges the rows of one problem.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from shutil import rmtree
from stat import S_ISREG
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from promptcot.core.columns import Columns
from promptcot.core.problems import problem_id, problem_of
from promptcot.core.remedies import shown
from promptcot.core.selection.choosing import choose, in_order
from promptcot.core.selection.profiles import (
    TOO_FEW,
    TOO_HIGH,
    TOO_LOW,
    Same,
    merged,
    models_of,
    pooled,
    profile_of,
)
from promptcot.core.selection.settings import Settings
from promptcot.core.selection.table import Problems, Table
from promptcot.core.selection.told import summary_of
from promptcot.errors import InputError, StageFault, UnfitRow, UsageError
from promptcot.grading.grader import Grader
from promptcot.grading.verifiers import MATHEMATICS, SHIPPED
from promptcot.records import Drop, Dropped, Item, Outcome, Row
from promptcot.stages import called
from promptcot.stages.review import REJECTED, is_rejected
from promptcot.storage.held_rows import HeldRows
from promptcot.storage.outputs import Output
from promptcot.storage.paths import beside, url_of
from promptcot.storage.reviews import rejected_beside
from promptcot.storage.rows import hash_id, read_rows
from promptcot.storage.usable import status

UNREADABLE = "unreadable profile"
REPEATED = "repeated row"
OUTSIDE = "outside the shares"
BEYOND = "beyond the size"
SHORT = "beyond the shares"
_NO_LEVEL = "(none)"
_MOST_SHOWN = 60
_MOST_CONCEPTS = 1000


class Select:
    """Holds all rows back, and emits those of the set at the end. `same` says whether two labels are one answer.

    Rows with the same id are profiles of one problem, whose traces add up. `file` is the number of the file that rows
    come from: a row that occurs twice in one file counts once.
    """

    name = "select"

    def __init__(self, folder: Path, settings: Settings, same: Same | None = None) -> None:
        self.file = 0
        self._settings = settings
        self._same = same or _same_at_once
        self._rows = HeldRows(folder)
        self._table = Table()
        self._models: dict[str, int] = {}
        self._told: Mapping[str, Any] = {}

    @classmethod
    def of(cls, folder: Path, **settings: Any) -> Self:
        """The step with the settings of a recipe (`Settings.of`). Raises UsageError."""
        return cls(folder, Settings.of(**settings))

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """No row yet; a drop for a row that is not a profile of a problem."""
        try:
            key = problem_id(row, "the row")
            profile = profile_of(row, self._settings.model)
            models = models_of(row)
        except UnfitRow as error:
            return Drop(UNREADABLE, [str(error)])
        self._rows.add(row)
        refused = profile.refused(self._settings.min_agreement)
        self._table.add(hash_id(key), profile, refused, _level(row), _concepts(row), self.file)
        for name in models:
            self._models[name] = self._models.get(name, 0) + 1
        return []

    def finish(self) -> Iterator[Row | Dropped]:
        """The set in its order, then the dropped rows, in input order.

        Raises InputError for one id with two problems, and for a model without pass rates in any row.
        """
        if len(self._table):
            self._check_model()
            problems = Problems(self._table.ids)
            for row in problems.several():
                self._pool(problems, problems.rows_of(row))
            for row in self._chosen(problems):
                yield self._row(problems.rows_of(int(row)))
            yield from self._left_out(problems)

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def summary(self) -> Mapping[str, Any]:
        """The available, requested and selected numbers, under the key `select`; empty without rows."""
        return {"select": self._told} if self._told else {}

    def _check_model(self) -> None:
        model = self._settings.model
        if model is not None and model not in self._models:
            known = ", ".join(sorted(self._models)) or "none; the rows have neither `model` nor `models`"
            raise InputError(f"model: no row has pass rates of {model!r}; models in the rows: {known}")

    def _pool(self, problems: Problems, numbers: Sequence[int]) -> None:
        """Merge several rows of a problem into one profile, represented by the row with the most fields."""
        ranked = self._ranked(self._different(numbers))
        rows = [self._rows[number] for number in ranked]
        problems.lead(head := ranked[0])
        _check_problem(rows)
        profile = pooled([profile_of(row, self._settings.model) for row in rows], self._same)
        refused = profile if isinstance(profile, str) else profile.refused(self._settings.min_agreement)
        self._table.numbers[head] = self._table.number_of(refused)
        if not isinstance(profile, str) and profile.pass_rate is not None:
            self._table.rates[head], self._table.n[head] = profile.pass_rate, profile.n

    def _different(self, numbers: Sequence[int]) -> list[int]:
        """The rows of a problem, without repetitions in one file, which are dropped."""
        seen: dict[tuple[int, bytes], int] = {}
        for number in numbers:
            if seen.setdefault((self._table.files[number], self._rows.line(number)), number) != number:
                self._table.numbers[number] = self._table.number_of(REPEATED)
        return [*seen.values()]

    def _chosen(self, problems: Problems) -> NDArray[np.int64]:
        """The rows that represent the problems of the set, in its order; the others are dropped."""
        table, settings, heads = self._table, self._settings, problems.leading
        if settings.min_n > 1:
            table.refuse(_where(table.n_of(kept := table.kept(heads)) < settings.min_n, kept), TOO_FEW)
        rates = table.rates_of(measured := table.kept(heads))
        table.refuse(_where(rates < settings.band.low, measured), TOO_LOW)
        table.refuse(_where(rates > settings.band.high, measured), TOO_HIGH)
        may = table.kept(measured)
        these = table.candidates(may, settings.seed)
        choice = choose(these, settings)
        table.refuse(np.setdiff1d(may, may[choice.chosen], assume_unique=True), BEYOND if settings.size else SHORT)
        table.refuse(may[choice.outside], OUTSIDE)
        self._told = summary_of(settings, choice, rates, table.n_of(measured), self._models)
        return may[in_order(choice.chosen, these, problems.first_of(may), settings.order)]

    def _row(self, numbers: Sequence[int]) -> Row:
        """The row of a problem; several profiles give one row with the fields of all, independent of their order."""
        own = [number for number in numbers if self._table.reason_of(number) != REPEATED]
        return self._rows[own[0]] if len(own) == 1 else merged([self._rows[number] for number in self._ranked(own)])

    def _ranked(self, numbers: Sequence[int]) -> list[int]:
        """The rows of a problem, those with the most fields first, independent of their order."""

        def lacking(number: int) -> tuple[bool, bool, bool, bytes]:
            row = self._rows[number]
            return _text(row) is None, _level(row) == _NO_LEVEL, not _concepts(row), self._rows.line(number)

        return sorted(numbers, key=lacking)

    def _left_out(self, problems: Problems) -> Iterator[Dropped]:
        """The rows that are not in the set, each with its problem's reason or its own."""
        for number, head in enumerate(problems.leading_each()):
            own = self._table.reason_of(number)
            reason = own if own == REPEATED else self._table.reason_of(head)
            if reason is not None:
                yield Dropped(self._rows[number], Drop(reason))


def select_files(paths: Sequence[Path], output: Output, step: Select, columns: Columns) -> None:
    """Select from the rows of several files into an output. The caller commits it. Raises InputError.

    Rows rejected by a review in the folder of one of the files are dropped, and do not count towards quotas.
    """
    index, rejected = 0, rejected_beside(paths)
    for step.file, path in enumerate(paths):
        for _, row in columns.problems(read_rows(path, may_be_empty=True)):
            output.add(index, row, Drop(REJECTED) if is_rejected(row, rejected) else _applied(step, row))
            index += 1
    for left in step.finish():
        item = Item(index, left.row if isinstance(left, Dropped) else left)
        output.append(Outcome(item, left.drop if isinstance(left, Dropped) else [left]))


def refuse_repeated(paths: Sequence[Path]) -> None:
    """Raises UsageError if two of these files are the same or have the same content: traces would count twice."""
    for one, other in combinations(paths, 2):
        if _are_same(one, other):
            raise UsageError(
                f"data-path: {other} and {one} have the same content, so traces would count twice; give each once"
            )


def same_by(grader: Grader) -> Same:
    """Decides by this grader whether two labels are one answer; undecided ones are not."""
    return lambda one, other: one == other or grader.same(one, other).correct is True


@contextmanager
def holding(output: Path) -> Iterator[Path]:
    """The folder beside an output in which rows are held back, for as long as the block runs."""
    folder = beside(output, "journal") / "select.state"
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # it has other files, or was never created
            folder.parent.rmdir()


def _are_same(one: Path, other: Path) -> bool:
    if one == other or url_of(one) is not None or url_of(other) is not None:
        return one == other
    stats = status(one), status(other)
    if not all(found is not None and S_ISREG(found.st_mode) and found.st_size for found in stats):
        return False  # a later read reports the error
    return filecmp.cmp(one, other, shallow=False)


def _applied(step: Select, row: Row) -> Sequence[Row] | Drop:
    """The result of the step for a row; a drop if the step fails."""
    try:
        result = called.apply(step, row)
    except StageFault as fault:
        return called.left_out(fault)
    assert not isinstance(result, Dropped)
    return result


def _same_at_once(one: str, other: str) -> bool:
    """Whether two labels are known to be one answer without computing."""
    return one == other or SHIPPED[MATHEMATICS].at_once(one, other, mutual=True) is True


def _where(this: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[this]


def _check_problem(rows: Sequence[Row]) -> None:
    """Raises InputError if rows with one id have different problems."""
    texts = list(dict.fromkeys(text for row in rows if (text := _text(row)) is not None))
    if len(texts) > 1:
        one, other = (repr(shown(text, _MOST_SHOWN)) for text in texts[:2])
        raise InputError(
            f"id {rows[0].get('id')!r} is not the same problem in all rows: {one} and {other}; pass rates are joined "
            "by id, so give files in which an id is one problem, or rows without ids"
        )


def _text(row: Row) -> str | None:
    try:
        return problem_of(row, "the row")
    except UnfitRow:
        return None


def _level(row: Row) -> str:
    level = row.get("level")
    return str(level) if isinstance(level, (str, int, float)) and str(level).strip() else _NO_LEVEL


def _concepts(row: Row) -> list[int]:
    """The distinct concepts, as hashes."""
    for name in ("foundational_concepts", "concepts"):
        concepts = row.get(name)
        if isinstance(concepts, list):
            names = dict.fromkeys(one.strip() for one in concepts if isinstance(one, str))
            return [_hash(one) for one in [*names][:_MOST_CONCEPTS] if one]
    return []


_hash = lru_cache(maxsize=1 << 16)(hash_id)
