"""A cache of grades and comparisons in a file, so that an interrupted or repeated grading resumes.

The key of a grade is the problem, its gold and the answer; the key of a comparison is the problem and both answers.
Positions in the file do not matter, so rows may be changed, moved or added in between, and duplicated, lost or foreign
lines do no harm. Damaged lines are skipped and computed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, Self

from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.grading.protocol import Grade
from promptcot.grading.verifiers import MATHEMATICS
from promptcot.storage.atomic import locked, storing, write_whole
from promptcot.storage.checked import intact, record_of, sealed
from promptcot.storage.json import dumps

Key = tuple[str, str]
"""The source and the id of a problem."""

_RULES = 7  # to be raised when an answer may be graded differently than before
_GRADE = {"source", "id", "gold", "answer", "correct", "method"}
_PAIR = {"one", "other", "correct", "method"}
_NAMED_PAIR = {*_PAIR, "verifier"}
_FLUSH_EVERY = 1000
_QUICK = "exact"
"""Methods of comparison that are as fast as reading the cache."""


class Same(Protocol):
    """Decides whether two answers are equal, like a `Grader`."""

    async def asame(self, one: str, other: str) -> Grade:
        """Symmetric: each must be correct with the other as the gold."""
        ...


class Compared:
    """The cached comparisons of one file of predictions, in `folder`, by these graders. Use as a context manager.

    A grade is by the verifier of its source, and a comparison of two answers names its verifier, unless that is
    mathematics. `damaged` lines were skipped. Raises LockedError if another process grades the same file, and
    StorageError.
    """

    def __init__(self, folder: Path, graders: Graders) -> None:
        verifier = graders.of().version
        told = f"{_RULES} {graders.limit}" + (f" {verifier}" if verifier != MATHEMATICS else "")
        rules = hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
        self._folder, self._path = folder, folder / f"{rules}.jsonl"
        self._grades: dict[Key, dict[tuple[str, str], Grade]] = {}
        self._pairs: dict[tuple[str, str, str], Grade] = {}
        self._pending: list[bytes] = []
        self.damaged = 0

    def __enter__(self) -> Self:
        self._lock = locked(self._folder / "lock")
        self._lock.__enter__()
        try:
            with storing(self._path):
                self._load()
        except BaseException as error:
            self._lock.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, *details: Any) -> None:
        try:
            self._write()
        finally:
            self._lock.__exit__(*details)

    def grade(self, key: Key, gold: str, answer: str) -> Grade | None:
        """The grade of this answer to this problem, if it is cached."""
        return self._grades.get(key, {}).get((gold, answer))

    def keep(self, key: Key, gold: str, answer: str, grade: Grade) -> None:
        """Cache a grade."""
        self._grades.setdefault(key, {})[gold, answer] = grade
        self._append({"source": key[0], "id": key[1], "gold": gold, "answer": answer}, grade)

    async def asame(self, grader: Grader, one: str, other: str) -> Grade:
        """Whether two answers are equal; calls the grader if the result is not cached."""
        named = {} if grader.verifier == MATHEMATICS else {"verifier": grader.verifier}
        one, other = sorted((one, other))
        pair = (grader.verifier, one, other)
        if pair not in self._pairs:
            found = await grader.asame(one, other)
            if found.method == _QUICK:
                return found
            self._pairs[pair] = found
            self._append({"one": one, "other": other, **named}, found)
        return self._pairs[pair]

    def _append(self, about: dict[str, str], grade: Grade) -> None:
        self._pending.append(sealed(dumps({**about, "correct": grade.correct, "method": grade.method})))
        if len(self._pending) >= _FLUSH_EVERY:
            self._write()

    def _write(self) -> None:
        if self._pending:
            with storing(self._path), self._path.open("ab") as file:
                file.write(b"".join(self._pending))
            self._pending.clear()

    def _load(self) -> None:
        for record in self._records():
            grade = Grade(record["correct"], record["method"])
            if "one" in record:
                self._pairs[record.get("verifier", MATHEMATICS), record["one"], record["other"]] = grade
            else:
                key = record["source"], record["id"]
                self._grades.setdefault(key, {})[record["gold"], record["answer"]] = grade
        if self.damaged:
            with self._path.open("rb") as lines:
                write_whole(self._path, b"".join(line for line in lines if intact(line)))

    def _records(self) -> Iterator[dict[str, Any]]:
        """The complete lines; an incomplete last one, of a process that was killed, is cut off."""
        self._path.touch()
        with self._path.open("rb+") as file:
            size = 0
            for line in file:
                if not line.endswith(b"\n"):
                    file.seek(size, os.SEEK_SET)
                    file.truncate()
                    return
                size += len(line)
                record = record_of(line)
                if record is not None and record.keys() in (_GRADE, _PAIR, _NAMED_PAIR):
                    yield record
                else:
                    self.damaged += 1


class ComparedBy:
    """The comparisons of one grader, with its cache."""

    def __init__(self, known: Compared, grader: Grader) -> None:
        self._known, self._grader = known, grader

    async def asame(self, one: str, other: str) -> Grade:
        """As `Grader.asame`."""
        return await self._known.asame(self._grader, one, other)
