"""Grades predictions one by one, in order.

Decides what a row of predictions must have. A row that lacks it is left out (`left_out`), unless it is the first, since
then all rows probably lack it. A row whose gold is rejected is left out at any position; `strict` stops at either. The
verifier of the row's source (`grading`) extracts and grades answers, `classes` groups equal answers, `compared` caches
earlier grades, and `golds` checks whether rows agree about their problems; the statistics are in `core.statistics`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from promptcot.core.answers.extraction import Extracted
from promptcot.core.columns import Columns, fields_of
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.traces import CLOSE, NOT_CLOSED, OPEN, after_thought
from promptcot.core.problems import gold_if_any, gold_of, problem_id, source_of
from promptcot.core.statistics import Joined, Sample
from promptcot.errors import InputError, PromptCoTError, RefusedGold
from promptcot.evaluation.classes import Classes, in_order
from promptcot.evaluation.compared import Compared, ComparedBy, Key
from promptcot.evaluation.golds import Contradictions, Problems, SharedId
from promptcot.evaluation.left_out import LeftOut
from promptcot.evaluation.registry import grader_of
from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.grading.protocol import Grade
from promptcot.records import LENGTH, Row, count_of, finish_of
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows


@dataclass(frozen=True, slots=True)
class Graded:
    """One prediction. `method` says how the grade was determined, or why there is no answer."""

    source: str
    problem: str
    sample: int
    sampled: Sample
    extracted: str | None
    method: str
    level: str | None

    def details(self) -> Row:
        """The row of `--details`."""
        return {
            "id": self.problem,
            "source": self.source,
            "sample": self.sample,
            "correct": self.sampled.correct,
            "extracted": self.extracted,
            "method": self.method,
        }


Golds = Mapping[Key, str]
"""The gold of (source, problem), for predictions without their own."""


class _Judges:
    """The graders of the rows by source, and the classes into which each grader groups answers."""

    def __init__(self, graders: Graders, known: Compared) -> None:
        self._graders, self.known = graders, known
        self._classes: dict[Grader, Classes] = {}

    def of(self, source: str) -> tuple[Grader, Classes]:
        grader = grader_of(self._graders, source)
        if grader not in self._classes:
            self._classes[grader] = Classes(ComparedBy(self.known, grader))
        return grader, self._classes[grader]

    def joined(self) -> Iterator[tuple[Key, Joined]]:
        """As `Classes.joined`, of all graders."""
        return chain.from_iterable(classes.joined() for classes in self._classes.values())


class PredictionGrader:
    """Grades the predictions of one file. `unboxed` also accepts a final line without a box as an answer.

    `columns` says how rows are read, `problems` which problems other files have. Afterwards `notes` has messages,
    `unfit` the number of rows that could not be graded (with `strict`, the first such row raises InputError), and
    `joined` the classes of answers in problems where several wordings are equal.

    Answers are graded once for each problem and wording. Memory grows with the distinct answers, not with the traces.
    """

    def __init__(
        self,
        graders: Graders,
        golds: Golds | None = None,
        *,
        unboxed: bool = False,
        columns: Columns | None = None,
        problems: Problems | None = None,
        strict: bool = False,
    ) -> None:
        self._graders = graders
        self._strict = strict
        self._columns = columns or Columns()
        self._golds = golds or {}
        self._unboxed = unboxed
        self._problems = problems or Problems(graders)
        self._checked: dict[tuple[str, str], str | None] = {}
        self._seen: dict[Key, int] = {}
        self.notes: list[str] = []
        self.unfit = 0
        self.joined: Mapping[Key, Joined] = {}

    async def graded(self, path: Path) -> AsyncIterator[Graded]:
        """The predictions of a file, in order. Cached comparisons beside the file are not repeated.

        Rows that cannot be graded are written beside it too. Raises InputError for a first row that is no prediction,
        and for a row with the id of another problem.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        found, state = Contradictions(self._graders), beside(path, "grades")
        with Compared(state, self._graders) as known, LeftOut(path) as left_out:
            if known.damaged:
                lines = "1 damaged line was" if known.damaged == 1 else f"{known.damaged:,} damaged lines were"
                self.notes.append(f"{state}: {lines} skipped; their answers are graded again")
            judges = _Judges(self._graders, known)

            async def grade(row: Row, where: str) -> Graded:
                found.look(row, where)
                return await self._one(row, where, judges)

            rows = enumerate(self._rows(path))
            grading = (self._if_fit(grade, row, where, first=not place) for place, (row, where) in rows)
            async with aclosing(in_order(grading)) as graded:
                async for one in graded:
                    if isinstance(one, Graded):
                        yield one
                    else:
                        left_out.add(*one)
            self.joined, self.unfit = dict(judges.joined()), left_out.count
            left_out.commit()
        self.notes += [*found.lines, *self._graders.notes, *left_out.notes]

    def _rows(self, path: Path) -> Iterator[tuple[Row, str]]:
        for number, row in self._columns.traces(read_rows(path, may_be_empty=True), sourced=True):
            yield row, f"{path}, row {number}"

    async def _if_fit(
        self, grade: Callable[[Row, str], Awaitable[Graded]], row: Row, where: str, *, first: bool
    ) -> Graded | tuple[Row, InputError]:
        """The graded row; for one that cannot be graded, the row and the reason.

        Raises the error of a `first` row, except for a rejected gold, which says nothing about other rows; and with
        `strict` any error.
        """
        try:
            return await grade(row, where)
        except Exception as error:
            unfit = of_the_row(error, where)
            if unfit is None:
                raise
            if self._strict or (first and not isinstance(unfit, RefusedGold)):
                raise unfit from error
            return row, unfit

    async def _one(self, row: Row, where: str, judges: _Judges) -> Graded:
        key = source_of(row, where), problem_id(row, where)
        sample, (grader, classes) = self._sample_of(row, key), judges.of(key[0])
        async with classes.turn(key):
            found = await answer_of(grader, row, where, unboxed=self._unboxed)
            gold = self._gold(row, where, key, needed=found.answer is not None)
            await self._problems.check(key, row, where, gold)
            if found.answer is None or gold is None:
                if gold is not None:
                    await self._check_gold(grader, gold, key[0], where)
                sampled = _sampled(row, None if found.lost else False)
                return Graded(*key, sample, sampled, None, found.method, _level(row))
            grade = judges.known.grade(key, gold, found.answer)
            if grade is None:
                grade = await self._grade(grader, where, key[0], gold, found.answer)
                judges.known.keep(key, gold, found.answer, grade)
            number = await classes.place(key, found.answer)
        return Graded(*key, sample, _sampled(row, grade.correct, number), found.answer, grade.method, _level(row))

    def _gold(self, row: Row, where: str, key: Key, *, needed: bool) -> str | None:
        """The gold of a row; a row without an answer may lack it. Raises InputError."""
        if key in self._golds:
            return self._golds[key]
        return gold_of(row, where) if needed else gold_if_any(row, where)

    async def _grade(self, grader: Grader, where: str, source: str, gold: str, text: str) -> Grade:
        """A new grade. Raises RefusedGold, naming the row, if nothing could equal the gold."""
        await self._check_gold(grader, gold, source, where)
        return await grader.agrade(gold, text)

    async def _check_gold(self, grader: Grader, gold: str, source: str, where: str) -> None:
        """Raises RefusedGold, naming the row. Each gold of a source is checked by its verifier once."""
        if (source, gold) not in self._checked:
            try:
                await grader.acheck_gold(gold)
                self._checked[source, gold] = None
            except RefusedGold as error:
                self._checked[source, gold] = str(error)
        refused = self._checked[source, gold]
        if refused is not None:
            raise RefusedGold(f"{where}: {refused}")

    def _sample_of(self, row: Row, key: Key) -> int:
        """The row's `sample`; in files without it, the number of earlier rows of the problem."""
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        given = count_of(row.get("sample"))
        return count if given is None else given


def of_the_row(error: Exception, where: str) -> InputError | None:
    """The same error, with the row named; None for an error that is not about this row alone."""
    if isinstance(error, InputError):
        return None if isinstance(error, SharedId) else error
    if isinstance(error, (PromptCoTError, OSError)):
        return None
    return InputError(f"{where}: {type(error).__name__}: {error}")


def _sampled(row: Row, correct: bool | None, number: int | None = None) -> Sample:
    tokens, reason = count_of(row.get("completion_tokens")), row.get("finish_reason")
    truncated = None if reason is None else finish_of(reason) == LENGTH
    return Sample(correct, number, tokens, truncated)


def _level(row: Row) -> str | None:
    return None if row.get("level") is None else str(row["level"])


async def answer_of(grader: Grader, row: Row, where: str, *, unboxed: bool = False) -> Extracted:
    """The answer of a trace, which comes after its thinking. Unclosed thinking has none."""
    reply = reply_of(row, where)
    return Extracted(None, "unclosed thought") if reply is None else await grader.aextract(reply, unboxed=unboxed)


def reply_of(row: Row, where: str) -> str | None:
    """The text of a trace after its thinking; None if that was never closed. Raises InputError for no trace."""
    completion, prompt = completion_of(row, where), row.get("prompt")
    opened = isinstance(prompt, str) and prompt.rstrip().endswith(OPEN)
    if row.get("malformed") == NOT_CLOSED or (opened and CLOSE not in completion):
        return None
    return after_thought(without_end_tokens(completion))


def completion_of(row: Row, where: str) -> str:
    """The text of a trace. Raises InputError where the row has none."""
    completion = row.get("completion")
    if not isinstance(completion, str):
        raise InputError(
            f"{where}: no text in `completion`; predictions are rows that `solve` writes; {fields_of(row)}"
        )
    return completion
