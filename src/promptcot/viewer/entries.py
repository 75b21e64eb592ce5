"""What lists show of each problem, read from its lines in the files of the run; and its whole history.

A problem is listed once a step other than `sample` names it. The fields are those of `core.history.assemble`, so that a
list says what the page of a problem says. Traces are read for the page only.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from promptcot.core.criteria import RATINGS
from promptcot.core.history import SET, Found, History, Outcome, assemble
from promptcot.records import Row
from promptcot.storage.json import loads
from promptcot.viewer.tables import clean, meta, transaction

UNKNOWN = -1.0
_BATCH = 5_000
_NOT_LISTED = "sample"
_WORST_FIRST = ("unreadable", *reversed(RATINGS))
_LONGEST = {"answer": 200, "reason": 200, "level": 200}
_PLACES = "SELECT file, start, length FROM place JOIN file USING (file)"
_MANY = 20_000
"""From so many rows on, other processes make their entries."""

Stale = tuple[int, str, Sequence[tuple[int, int, int]]]
"""A number, its id, and the places of its lines: file, start, length."""
Made = tuple[tuple[Any, ...], tuple[str, str, list[str], str]]
"""A row of `problem`; and problem, rationale, concepts, answer."""


class _File(NamedTuple):
    """An open file of the run."""

    handle: int
    step: str
    outcome: Outcome
    traces: bool
    is_set: bool


class Lines:
    """The files of a run, open, to read lines at their places. A file that was removed gives no lines."""

    def __init__(self, files: Sequence[tuple[Any, ...]], ends: str | None, directory: Path) -> None:
        self._stack = ExitStack()
        self._files: dict[int, _File] = {}
        for file, step, outcome, path in files:
            try:
                handle = os.open(directory / path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            self._stack.callback(os.close, handle)
            is_set = step == ends and outcome == "out"
            self._files[file] = _File(handle, step, outcome, _has_traces(handle), is_set)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def found(self, places: Sequence[tuple[int, int, int]], *, traces: bool) -> Iterator[Found]:
        """What stands at these places (file, start, length); without `traces`, theirs are passed over."""
        last = None
        for number, start, length in places:
            file = self._files.get(number)
            if file is None:
                continue
            if file.traces and not traces:
                if last != number:
                    yield Found(file.step, file.outcome, {})
                last = number
                continue
            row = _row(os.pread(file.handle, length, start))
            if row is not None:
                yield Found(file.step, file.outcome, row)
                if file.is_set:
                    yield Found(SET, "out", row)


def history(index: sqlite3.Connection, directory: Path, number: int, row_id: str) -> History:
    """All that the files say of one problem."""
    places = index.execute(f"{_PLACES} WHERE number = ? ORDER BY position, start", (number,)).fetchall()
    with Lines(_files_of(index), meta(index, "ends"), directory) as lines:
        found = lines.found(places, traces=True)
        return assemble(row_id, [one for one in found if clean(str(one.row.get("id"))) == row_id])


def _files_of(index: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return index.execute("SELECT file, step, outcome, path FROM file").fetchall()


def renew(index: sqlite3.Connection, directory: Path, progress: Callable[[int], None]) -> None:
    """Read the rows again that are `stale`, some at a time: what was done stays done if the process ends."""
    known = {name for (name,) in index.execute("SELECT name FROM concept")}
    is_new = index.execute("SELECT 1 FROM problem LIMIT 1").fetchone() is None
    for last, count, made in _made(index, directory):
        with transaction(index):
            if not is_new:
                _remove(index, last)
            _insert(index, made, known)
            index.execute("DELETE FROM stale WHERE number <= ?", (last,))
        progress(count)


def _made(index: sqlite3.Connection, directory: Path) -> Iterator[tuple[int, int, list[Made]]]:
    """Of each batch of stale rows its last number, how many they are, and the entries of those that are listed."""
    files, ends = _files_of(index), meta(index, "ends")
    if index.execute("SELECT COUNT(*) FROM stale").fetchone()[0] < _MANY:
        with Lines(files, ends, directory) as lines:
            for batch in _batches(index):
                yield batch[-1][0], len(batch), _entries(lines, batch)
        return
    workers = max(1, min(4, len(os.sched_getaffinity(0))))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (files, ends, directory))
    try:
        waiting: deque[tuple[int, int, Future[list[Made]]]] = deque()
        for batch in _batches(index):
            waiting.append((batch[-1][0], len(batch), pool.submit(_work, batch)))
            if len(waiting) > 2 * workers:
                last, count, made = waiting.popleft()
                yield last, count, made.result()
        for last, count, made in waiting:
            yield last, count, made.result()
    finally:
        pool.shutdown(cancel_futures=True)


_worker: Lines
"""The open files of a process that makes entries."""


def _begin(files: Sequence[tuple[Any, ...]], ends: str | None, directory: Path) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one stops it
    _worker = Lines(files, ends, directory)


def _work(batch: Sequence[Stale]) -> list[Made]:
    return _entries(_worker, batch)


def _batches(index: sqlite3.Connection) -> Iterator[list[Stale]]:
    """The stale rows in order with the places of their lines, many at a time."""
    last = -1
    while numbers := index.execute(
        "SELECT number FROM stale WHERE number > ? ORDER BY number LIMIT ?", (last, _BATCH)
    ).fetchall():
        span = (numbers[0][0], last := numbers[-1][0])
        places = index.execute(
            "SELECT stale.number, row.id, file, start, length FROM stale JOIN row USING (number) "
            "LEFT JOIN place USING (number) LEFT JOIN file USING (file) WHERE stale.number BETWEEN ? AND ? "
            "ORDER BY stale.number, position, start",
            span,
        )
        yield [
            (number, name, [place[2:] for place in mine if place[2] is not None])
            for (number, name), mine in groupby(places, itemgetter(0, 1))
        ]


def _entries(lines: Lines, batch: Sequence[Stale]) -> list[Made]:
    """The row of `problem` and the texts of each of these that is listed."""
    made: list[Made] = []
    for number, row_id, places in batch:
        found = [*lines.found(places, traces=False)]
        if any(one.step != _NOT_LISTED for one in found):
            it = assemble(row_id, found)
            made.append((_entry(number, it), (clean(it.problem), clean(it.rationale), _concepts(it), clean(it.answer))))
    return made


def _remove(index: sqlite3.Connection, last: int) -> None:
    for table, column in (("problem", "number"), ("text", "rowid")):
        index.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT number FROM stale WHERE number <= ?)", (last,))


def _insert(index: sqlite3.Connection, made: Sequence[Made], known: set[str]) -> None:
    index.executemany(f"INSERT INTO problem VALUES ({', '.join('?' * 12)})", (entry for entry, _ in made))
    texts = ((entry[0], text[0], text[1], "\n".join(text[2]), text[3]) for entry, text in made)
    index.executemany("INSERT INTO text (rowid, problem, rationale, concepts, answer) VALUES (?, ?, ?, ?, ?)", texts)
    fresh = {name for _, text in made for name in text[2]} - known
    index.executemany("INSERT OR IGNORE INTO concept VALUES (?)", ((name,) for name in fresh))
    known |= fresh


def _entry(number: int, it: History) -> tuple[Any, ...]:
    verdicts = [(one.judge, one.verdict if one.verdict in RATINGS else "unreadable") for one in it.judged]
    worst = min((verdict for _, verdict in verdicts), key=_WORST_FIRST.index, default="")
    reason = it.fate.kind in ("dropped", "failed") and f"{it.fate.step}: {it.fate.reason or 'no reason given'}"
    return (
        number,
        it.id,
        clean(it.level)[: _LONGEST["level"]],
        worst,
        clean(", ".join(f"{judge}: {verdict}" for judge, verdict in verdicts)),
        clean(it.validity),
        _share(it.agreement),
        _share(it.pass_rate),
        -1 if it.n is None or abs(it.n) >= 2**63 else it.n,
        it.fate.kind,
        clean(reason or "")[: _LONGEST["reason"]],
        clean(it.answer)[: _LONGEST["answer"]],
    )


def _share(value: float | None) -> float:
    return value if value is not None and value == value else UNKNOWN


def _concepts(it: History) -> list[str]:
    return [clean(name) for name in islice(it.concepts, 1000)]


def _has_traces(handle: int) -> bool:
    """Whether the first row is one of several traces of a problem."""
    start = b""
    while b"\n" not in start and (more := os.pread(handle, 1 << 20, len(start))):
        start += more
    return "sample" in (_row(start.partition(b"\n")[0]) or {})


def _row(line: bytes) -> Row | None:
    try:
        row = loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
