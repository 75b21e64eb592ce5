"""Predictions graded one after the other, in their order, with what was graded before taken from a file.

Decides what an earlier, interrupted grading is worth, and what a row of predictions must have. What an answer is, and
whether it is right, is decided in `core.answers` and `grading`, which answers are one class in `classes`; the
statistics are in `core.statistics`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.core.answers.extraction import Extracted, extract
from promptcot.core.columns import Columns, fields_of
from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.core.parsing.traces import CLOSE, NOT_CLOSED, OPEN
from promptcot.core.problems import gold_of, plain_integer, problem_id, source_of
from promptcot.core.statistics import Sample
from promptcot.errors import InputError
from promptcot.evaluation.classes import Classes, Key, in_order
from promptcot.evaluation.registry import with_source
from promptcot.grading.grader import Grade, Grader, grade_integer
from promptcot.records import LENGTH, Row, count_of, finish_of
from promptcot.storage.atomic import locked, storing
from promptcot.storage.json import dumps, loads
from promptcot.storage.rows import read_rows

_SLICE = 1 << 16
_RULES = 3  # to be raised when an answer may be graded differently than before
_FLUSH_EVERY = 1000


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

    `columns` says how rows are read.

    Answers are graded once for each problem and wording. Memory grows with the distinct answers, not with the traces.
    """

    def __init__(
        self, grader: Grader, golds: Golds | None = None, *, unboxed: bool = False, columns: Columns | None = None
    ) -> None:
        self._grader = grader
        self._columns = columns or Columns()
        self._golds = golds or {}
        self._unboxed = unboxed
        self._classes = Classes(grader)
        self._grades: dict[Key, dict[str, Grade]] = {}
        self._known_golds: dict[Key, str] = {}
        self._seen: dict[Key, int] = {}

    async def graded(self, path: Path, state: Path) -> AsyncIterator[Graded]:
        """The predictions of a file, in order. What a grading of the same file left in the folder `state` is reused.

        Raises InputError for a row that is no prediction, naming it.
        """
        with _State(state, self._fingerprint(path)) as kept:
            numbered = self._columns.traces(read_rows(path, may_be_empty=True), sourced=True)
            rows = ((row, f"{path}, row {number}") for number, row in numbered)
            for record in kept.records:
                yield self._again(*next(rows), record)
            async with aclosing(in_order(self._one(row, where) for row, where in rows)) as graded:
                async for one in graded:
                    yield kept.keep(one)

    def _fingerprint(self, path: Path) -> str:
        """What earlier grades are worth: they hold for the same file, golds, rules and patience."""
        golds = sorted((*key, gold) for key, gold in self._golds.items())
        return _fingerprint(path, [_RULES, self._unboxed, self._grader.limit, golds, self._columns.given])

    async def _one(self, row: Row, where: str) -> Graded:
        key = source_of(row, where), problem_id(row, where)
        sample = self._sample_of(row, key)
        found = answer_of(row, where, unboxed=self._unboxed)
        if found.answer is None:
            return Graded(*key, sample, _sampled(row, False, None), None, found.method, _level(row))
        async with self._classes.turn(key):
            grade = await self._grade(row, where, key, found.answer)
            number = await self._classes.place(key, found.answer)
        return Graded(*key, sample, _sampled(row, grade.correct, number), found.answer, grade.method, _level(row))

    async def _grade(self, row: Row, where: str, key: Key, text: str) -> Grade:
        """The grade of this wording, known or new."""
        grades = self._grades.setdefault(key, {})
        if text not in grades:
            gold = await self._gold(row, where, key)
            grades[text] = grade_integer(gold, text) if _integers(key[0]) else await self._grader.agrade(gold, text)
        return grades[text]

    async def _gold(self, row: Row, where: str, key: Key) -> str:
        """The gold of a problem, looked at once. Raises InputError, naming the row, where nothing could equal it."""
        if key not in self._known_golds:
            gold = self._golds.get(key) or gold_of(row, where)
            if _integers(key[0]):
                plain_integer(gold, where)
            else:
                await asyncio.to_thread(_check_gold, self._grader, gold, where)
            self._known_golds[key] = gold
        return self._known_golds[key]

    def _again(self, row: Row, where: str, record: dict[str, Any]) -> Graded:
        """What an earlier grading found for this row."""
        key = source_of(row, where), problem_id(row, where)
        sample = self._sample_of(row, key)
        grade = Grade(record["correct"], record["method"])
        text, number = record["extracted"], record["class"]
        if text is not None:
            self._grades.setdefault(key, {}).setdefault(text, grade)
            self._classes.note(key, text, number)
        return Graded(*key, sample, _sampled(row, grade.correct, number), text, grade.method, _level(row))

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


class _State:
    """The grades so far, a line for each row in the order of the rows, under the fingerprint of what is graded."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._path = folder / f"{fingerprint}.jsonl"
        self._pending: list[bytes] = []
        self.records: Iterable[dict[str, Any]] = ()

    def __enter__(self) -> _State:
        self._lock = locked(self._folder / "lock")
        self._lock.__enter__()
        self._path.touch()
        size = self._cut_torn_line()
        self.records = self._read(size)
        return self

    def __exit__(self, *details: Any) -> None:
        self._write()
        self._lock.__exit__(*details)

    def keep(self, graded: Graded) -> Graded:
        """Note a grade."""
        found = {"correct": graded.sampled.correct, "class": graded.sampled.answer}
        self._pending.append(dumps({**found, "extracted": graded.extracted, "method": graded.method}))
        if len(self._pending) >= _FLUSH_EVERY:
            self._write()
        return graded

    def _cut_torn_line(self) -> int:
        """Cut off a line that was not written whole; the size that remains."""
        with self._path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, end - _SLICE))
            size = start + file.read().rfind(b"\n") + 1
            file.truncate(size)
            return size

    def _write(self) -> None:
        if self._pending:
            with storing(self._path), self._path.open("ab") as file:
                file.write(b"".join(self._pending))
            self._pending.clear()

    def _read(self, size: int) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as lines:
            while lines.tell() < size:
                yield loads(lines.readline())


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


def _fingerprint(path: Path, settings: object) -> str:
    """16 hex digits that change with the settings and the file, whose ends, size and last change are looked at."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    told = path.stat()
    digest = hashlib.blake2b(f"{told.st_size} {told.st_mtime_ns} {settings}".encode(errors="replace"), digest_size=8)
    with path.open("rb") as content:
        digest.update(content.read(_SLICE))
        content.seek(max(0, told.st_size - _SLICE))
        digest.update(content.read())
    return digest.hexdigest()
