"""The entry of each problem in the index, and the complete history of one problem, read from the files of the run.

A problem is listed as soon as a step other than `sample` has written its id. The fields are those of
`core.history.assemble`, so the list and the page of a problem agree. Traces are read only for the page.
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
from promptcot.viewer.tables import clean, key_of, meta, set_meta, transaction

UNKNOWN = -1.0
_BATCH, _BATCH_BYTES = 5_000, 32_000_000
"""The most rows in a batch and about the most bytes of their lines, which limits memory."""
_NOT_LISTED = "sample"
_WORST_FIRST = ("unreadable", *reversed(RATINGS))
_LONGEST = 200
"""The most characters of a value that a list shows. A filter compares the shortened values."""
_PLACES = "SELECT file, start, length FROM place JOIN file USING (file)"
_MANY = 20_000
"""From this number of rows on, several processes read the rows."""

Stale = tuple[int, str, Sequence[tuple[int, int, int]]]
"""The number of a row, its id, and the places of its lines: file, start, length."""
Made = tuple[tuple[Any, ...], tuple[str, str, list[str], str]]
"""A row of the table `problem`, and the texts to search: problem, rationale, concepts, answer."""


class _File(NamedTuple):
    """An open file of the run."""

    handle: int
    step: str
    outcome: Outcome
    traces: bool
    is_set: bool


class Lines:
    """The open files of a run, to read lines at given places. A file that was removed gives no lines."""

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
        """The rows at these places (file, start, length). Without `traces`, files of traces are not read."""
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
    """The complete history of one problem."""
    places = index.execute(f"{_PLACES} WHERE number = ? ORDER BY position, start", (number,)).fetchall()
    with Lines(_files_of(index), meta(index, "ends"), directory) as lines:
        rows = lines.found(places, traces=True)
        return assemble(row_id, [line for line in rows if key_of(str(line.row.get("id"))) == row_id])


def own_id(problem: History) -> str:
    """The id of a problem as it is in the files of the run: the index replaces lone surrogates."""
    return str(problem.events[0].row.get("id")) if problem.events else problem.id


def _files_of(index: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return index.execute("SELECT file, step, outcome, path FROM file").fetchall()


def renew(index: sqlite3.Connection, directory: Path, progress: Callable[[int], None]) -> None:
    """Read the `stale` rows again, in batches. Finished batches are kept if the process ends.

    Afterwards the caller has to count the values of the columns again (`queries.count_values`).
    """
    known = {name for (name,) in index.execute("SELECT name FROM concept")}
    is_new = index.execute("SELECT 1 FROM problem LIMIT 1").fetchone() is None
    for last, count, entries in _made(index, directory):
        with transaction(index):
            if not is_new:
                _remove(index, last)
            _insert(index, entries, known)
            index.execute("DELETE FROM stale WHERE number <= ?", (last,))
            set_meta(index, "counted", "no")
        progress(count)


def _made(index: sqlite3.Connection, directory: Path) -> Iterator[tuple[int, int, list[Made]]]:
    """For each batch of stale rows: its last number, its size, and the entries of the rows that are listed."""
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
                last, count, entries = waiting.popleft()
                yield last, count, entries.result()
        for last, count, entries in waiting:
            yield last, count, entries.result()
    finally:
        pool.shutdown(cancel_futures=True)


_worker: Lines
"""The open files of a worker process."""


def _begin(files: Sequence[tuple[Any, ...]], ends: str | None, directory: Path) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops this one
    _worker = Lines(files, ends, directory)


def _work(batch: Sequence[Stale]) -> list[Made]:
    return _entries(_worker, batch)


def _batches(index: sqlite3.Connection) -> Iterator[list[Stale]]:
    """The stale rows in order, with the places of their lines."""
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
        batch: list[Stale] = []
        size = 0
        for (number, row_id), lines in groupby(places, itemgetter(0, 1)):
            batch.append((number, row_id, [line[2:] for line in lines if line[2] is not None]))
            size += sum(length for _, _, length in batch[-1][2])
            if size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _entries(lines: Lines, batch: Sequence[Stale]) -> list[Made]:
    """The entries of those rows of a batch that are listed."""
    entries: list[Made] = []
    for number, row_id, places in batch:
        rows = [*lines.found(places, traces=False)]
        if any(row.step != _NOT_LISTED for row in rows):
            it = assemble(row_id, rows)
            texts = clean(it.problem), clean(it.rationale), _concepts(it), clean(it.answer)
            entries.append((_entry(number, it), texts))
    return entries


def _remove(index: sqlite3.Connection, last: int) -> None:
    for table, column in (("problem", "number"), ("text", "rowid")):
        index.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT number FROM stale WHERE number <= ?)", (last,))


def _insert(index: sqlite3.Connection, entries: Sequence[Made], known: set[str]) -> None:
    index.executemany(f"INSERT INTO problem VALUES ({', '.join('?' * 12)})", (entry for entry, _ in entries))
    texts = ((entry[0], text[0], text[1], "\n".join(text[2]), text[3]) for entry, text in entries)
    index.executemany("INSERT INTO text (rowid, problem, rationale, concepts, answer) VALUES (?, ?, ?, ?, ?)", texts)
    fresh = {name for _, text in entries for name in text[2]} - known
    index.executemany("INSERT OR IGNORE INTO concept VALUES (?)", ((name,) for name in fresh))
    known |= fresh


def _entry(number: int, it: History) -> tuple[Any, ...]:
    verdicts = [(judged.judge, judged.verdict if judged.verdict in RATINGS else "unreadable") for judged in it.judged]
    worst = min((verdict for _, verdict in verdicts), key=_WORST_FIRST.index, default="")
    reason = it.fate.kind in ("dropped", "failed") and f"{it.fate.step}: {it.fate.reason or 'no reason given'}"
    return (
        number,
        key_of(it.id),
        _flat(it.level),
        worst,
        clean(", ".join(f"{judge}: {verdict}" for judge, verdict in verdicts)),
        _flat(it.validity),
        _share(it.agreement),
        _share(it.pass_rate),
        -1 if it.n is None or abs(it.n) >= 2**63 else it.n,
        it.fate.kind,
        _flat(reason or ""),
        clean(it.answer)[:_LONGEST],
    )


def _flat(text: str | None) -> str:
    """A value on one line, as a form can send it back."""
    return " ".join(clean(text).split())[:_LONGEST].rstrip()


def _share(value: float | None) -> float:
    return value if value is not None and value == value else UNKNOWN


def _concepts(it: History) -> list[str]:
    names = (" ".join(clean(name).split())[:1000].rstrip() for name in islice(it.concepts, 1000))
    return [name for name in names if name]


def _has_traces(handle: int) -> bool:
    """Whether the rows of a file are traces, of which a problem can have several. The first row shows it."""
    with open(handle, "rb", closefd=False) as file:
        return "sample" in (_row(file.readline()) or {})


def _row(line: bytes) -> Row | None:
    try:
        row = loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
