"""Predictions graded one after the other, in their order.

Decides what a row of predictions must have. What an answer is, and whether it is right, is decided in `core.answers`
and `grading`, which answers are one class in `classes`, what an earlier grading is worth in `compared`, and whether
rows agree about their problems in `golds`; the statistics are in `core.statistics`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.answers.extraction import Extracted, extract
from promptcot.core.columns import Columns, fields_of
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.traces import CLOSE, NOT_CLOSED, OPEN
from promptcot.core.problems import gold_if_any, gold_of, plain_integer, problem_id, source_of
from promptcot.core.statistics import Sample
from promptcot.errors import InputError
from promptcot.evaluation.classes import Classes, in_order
from promptcot.evaluation.compared import Compared, Key
from promptcot.evaluation.golds import Contradictions, Problems
from promptcot.evaluation.registry import with_source
from promptcot.grading.grader import Grade, Grader, grade_integer
from promptcot.records import LENGTH, Row, count_of, finish_of
from promptcot.storage.rows import read_rows


@dataclass(frozen=True, slots=True)
class Graded:
    """One prediction. `method` says how the grade was found, or why there is no answer."""

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
"""The gold of (source, problem), for predictions that do not carry their own."""


class PredictionGrader:
    """Grades the predictions of one file. `unboxed` also takes a final line without a box for an answer.

    `columns` says how rows are read, `problems` which problems other files have; `notes` what is to be told afterwards.

    Answers are graded once for each problem and wording. Memory grows with the distinct answers, not with the traces.
    """

    def __init__(
        self,
        grader: Grader,
        golds: Golds | None = None,
        *,
        unboxed: bool = False,
        columns: Columns | None = None,
        problems: Problems | None = None,
    ) -> None:
        self._grader = grader
        self._columns = columns or Columns()
        self._golds = golds or {}
        self._unboxed = unboxed
        self._problems = problems or Problems(grader)
        self._checked: set[tuple[Key, str]] = set()
        self._seen: dict[Key, int] = {}
        self.notes: list[str] = []

    async def graded(self, path: Path, state: Path) -> AsyncIterator[Graded]:
        """The predictions of a file, in order. What is in the folder `state` from before is not compared again.

        Raises InputError for a row that is no prediction, or has the id of another problem, naming it.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        found = Contradictions(self._grader.same_gold)
        with Compared(state, self._grader, self._grader.limit) as known:
            if known.damaged:
                lines = "1 damaged line was" if known.damaged == 1 else f"{known.damaged:,} damaged lines were"
                self.notes.append(f"{state}: {lines} left out; the answers that stood there are graded again")
            classes = Classes(known)
            rows = self._rows(path, found)
            async with aclosing(in_order(self._one(row, where, known, classes) for row, where in rows)) as graded:
                async for one in graded:
                    yield one
        self.notes += found.lines

    def _rows(self, path: Path, found: Contradictions) -> Iterator[tuple[Row, str]]:
        for number, row in self._columns.traces(read_rows(path, may_be_empty=True), sourced=True):
            where = f"{path}, row {number}"
            found.look(row, where)
            yield row, where

    async def _one(self, row: Row, where: str, known: Compared, classes: Classes) -> Graded:
        key = source_of(row, where), problem_id(row, where)
        sample = self._sample_of(row, key)
        found = answer_of(row, where, unboxed=self._unboxed)
        gold = self._gold(row, where, key, needed=found.answer is not None)
        async with classes.turn(key):
            await self._problems.check(key, row, where, gold)
            if found.answer is None or gold is None:
                return Graded(*key, sample, _sampled(row, False, None), None, found.method, _level(row))
            grade = known.grade(key, gold, found.answer)
            if grade is None:
                grade = await self._grade(where, key, gold, found.answer)
                known.keep(key, gold, found.answer, grade)
            number = await classes.place(key, found.answer)
        return Graded(*key, sample, _sampled(row, grade.correct, number), found.answer, grade.method, _level(row))

    def _gold(self, row: Row, where: str, key: Key, *, needed: bool) -> str | None:
        """The gold of a row, which one without an answer need not have. Raises InputError."""
        if key in self._golds:
            return self._golds[key]
        return gold_of(row, where) if needed else gold_if_any(row, where)

    async def _grade(self, where: str, key: Key, gold: str, text: str) -> Grade:
        """A new grade. Raises InputError, naming the row, where nothing could equal the gold; it is looked at once."""
        integers = _integers(key[0])
        if (key, gold) not in self._checked:
            if integers:
                plain_integer(gold, where)
            else:
                await asyncio.to_thread(_check_gold, self._grader, gold, where)
            self._checked.add((key, gold))
        return grade_integer(gold, text) if integers else await self._grader.agrade(gold, text)

    def _sample_of(self, row: Row, key: Key) -> int:
        """The row's `sample`; in files without it, how often the problem came before."""
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        given = count_of(row.get("sample"))
        return count if given is None else given


def _sampled(row: Row, correct: bool | None, number: int | None) -> Sample:
    tokens, reason = count_of(row.get("completion_tokens")), row.get("finish_reason")
    truncated = None if reason is None else finish_of(reason) == LENGTH
    return Sample(correct, number, tokens, truncated)


def _level(row: Row) -> str | None:
    return None if row.get("level") is None else str(row["level"])


def answer_of(row: Row, where: str, *, unboxed: bool = False) -> Extracted:
    """The answer of a trace. Thinking that the prompt opened and that was never closed has none."""
    completion, prompt = completion_of(row, where), row.get("prompt")
    opened = isinstance(prompt, str) and prompt.rstrip().endswith(OPEN)
    if row.get("malformed") == NOT_CLOSED or (opened and CLOSE not in completion):
        return Extracted(None, "unclosed thought")
    return extract(without_end_tokens(completion), unboxed=unboxed)


def _check_gold(grader: Grader, gold: str, where: str) -> None:
    try:
        grader.check_gold(gold)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def completion_of(row: Row, where: str) -> str:
    """The text of a trace. Raises InputError where the row has none."""
    completion = row.get("completion")
    if not isinstance(completion, str):
        raise InputError(
            f"{where}: no text in `completion`; predictions are rows that `solve` writes; {fields_of(row)}"
        )
    return completion


def _integers(source: str) -> bool:
    benchmarks = with_source(source)
    return bool(benchmarks) and all(benchmark.integers for benchmark in benchmarks)
