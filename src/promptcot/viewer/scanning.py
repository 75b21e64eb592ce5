"""Finds the lines of each id in the files of a run: which files changed, and what is new in them.

If a file only grew, only the new part is read. If it was rewritten or removed, its old places are deleted. The rows
concerned become `stale`, and `entries` reads them again. Only ids are parsed here.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from promptcot.core.history import SET
from promptcot.inspection.files import RunFiles
from promptcot.storage.json import loads
from promptcot.viewer.tables import key_of, meta, set_meta, transaction

Progress = Callable[[int], None]
"""Called with the number of bytes that were read."""

_BATCH = 20_000
_EDGE = 4096
_START = b'{"id":"'
_LONGEST_ID = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the run, with its step, its outcome, and its position in the order of the steps."""

    step: str
    outcome: str
    position: int
    path: Path


def sources(files: RunFiles) -> list[Source]:
    """The files of a run in the order of its steps; the set comes last."""
    entries = [
        (step.name, outcome, path)
        for step in files.steps
        for outcome, path in (("out", step.rows), ("dropped", step.dropped), ("failed", step.failed))
        if path is not None
    ]
    if files.set_path is not None:
        entries.append((SET, "out", files.set_path))
    return [Source(step, outcome, position, path) for position, (step, outcome, path) in enumerate(entries)]


def has_changed(index: sqlite3.Connection, files: RunFiles) -> bool:
    """Whether a file changed since it was last read. Compares names, positions, sizes, times and inodes only."""
    columns = "step, outcome, position, path, size, mtime, inode"
    known = {row[:2]: row[2:] for row in index.execute(f"SELECT {columns} FROM file")}
    now = sources(files)
    if len(known) != len(now) or meta(index, "ends") != _ends(files):
        return True
    return any(
        known.get((file.step, file.outcome)) != (file.position, file.path.name, *_stamp(file.path)) for file in now
    )


def scan(index: sqlite3.Connection, files: RunFiles, progress: Progress) -> None:
    """Update the places, in one transaction."""
    now = sources(files)
    with transaction(index):
        named = {(source.step, source.outcome) for source in now}
        if _is_reordered(index, now):  # the last step of a row decides where it ended
            index.execute("INSERT OR IGNORE INTO stale SELECT number FROM row")
        for file, step, outcome in index.execute("SELECT file, step, outcome FROM file").fetchall():
            if (step, outcome) not in named:
                _forget(index, file)
                index.execute("DELETE FROM file WHERE file = ?", (file,))
        for source in now:
            _scan_one(index, source, progress)
        _mark_ends(index, files)


def _is_reordered(index: sqlite3.Connection, now: Sequence[Source]) -> bool:
    """Whether the files that are known already have another order: that of the summary, once a run has one."""
    before = index.execute("SELECT step, outcome FROM file WHERE position IS NOT NULL ORDER BY position").fetchall()
    known = [(source.step, source.outcome) for source in now if (source.step, source.outcome) in before]
    return known != [name for name in before if name in known]


def _scan_one(index: sqlite3.Connection, source: Source, progress: Progress) -> None:
    values = (source.step, source.outcome)
    index.execute("INSERT OR IGNORE INTO file (step, outcome, upto, size) VALUES (?, ?, 0, -1)", values)
    file, size, mtime, inode, upto, mark = index.execute(
        "SELECT file, size, mtime, inode, upto, mark FROM file WHERE step = ? AND outcome = ?", values
    ).fetchone()
    try:
        stamp = _stamp(source.path)
        with source.path.open("rb") as handle:
            if stamp != (size, mtime, inode):
                has_grown = stamp[2] == inode and stamp[0] > size and _mark(handle.fileno(), upto) == mark
                if upto and not has_grown:
                    _forget(index, file)
                    upto = 0
                handle.seek(upto)
                upto = _add(index, file, handle, upto, stamp[0], progress)
                mark = _mark(handle.fileno(), upto)
    except OSError:  # it has just been removed; the next check finds it missing
        return
    index.execute(
        "UPDATE file SET position = ?, path = ?, size = ?, mtime = ?, inode = ?, upto = ?, mark = ? WHERE file = ?",
        (source.position, source.path.name, *stamp, upto, mark, file),
    )


def _stamp(path: Path) -> tuple[int, int, int]:
    """Size, time and inode of a file; (-1, 0, 0) if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return -1, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ino


def _mark(handle: int, upto: int) -> bytes:
    """A hash of the first bytes of a file and of the last ones that were read, to see whether it only grew."""
    edges = os.pread(handle, min(_EDGE, upto), 0) + os.pread(handle, min(_EDGE, upto), max(0, upto - _EDGE))
    return hashlib.blake2b(edges, digest_size=16).digest()


def _forget(index: sqlite3.Connection, file: int) -> None:
    index.execute("INSERT OR IGNORE INTO stale SELECT number FROM place WHERE file = ?", (file,))
    index.execute("DELETE FROM place WHERE file = ?", (file,))


def _add(
    index: sqlite3.Connection, file: int, handle: Iterator[bytes], start: int, size: int, progress: Progress
) -> int:
    """Add the places of the lines from `start`; returns the end of the last complete line."""
    lines, is_complete = _places(handle, start, size), meta(index, "complete") == "yes"
    while batch := list(islice(lines, _BATCH)):
        names = [(name,) for name, _, _ in batch if name]
        index.executemany("INSERT OR IGNORE INTO row (id) VALUES (?)", names)
        index.executemany(
            "INSERT OR IGNORE INTO place SELECT number, ?, ?, ? FROM row WHERE id = ?",
            ((file, at, length, name) for name, at, length in batch if name),
        )
        if is_complete:  # while an index is built, all rows become stale at the end
            index.executemany("INSERT OR IGNORE INTO stale SELECT number FROM row WHERE id = ?", names)
        end = batch[-1][1] + batch[-1][2]
        progress(end - start)
        start = end
    return start


def _places(lines: Iterator[bytes], at: int, size: int) -> Iterator[tuple[str | None, int, int]]:
    """The id (None if it is not a row), start and length of each line. An incomplete last line is left for later."""
    for line in lines:
        if at >= size:
            return
        name = id_of(line)
        if name is None and not line.endswith(b"\n"):
            return
        yield name, at, len(line)
        at += len(line)


def id_of(line: bytes) -> str | None:
    """The id of a line. The line is parsed only if it does not begin with its id, or is incomplete."""
    if line.startswith(_START) and line.endswith(b"}\n"):
        end = line.find(b'"', len(_START), len(_START) + _LONGEST_ID)
        name = line[len(_START) : end]
        if end > 0 and b"\\" not in name:
            try:
                return name.decode()
            except UnicodeDecodeError:
                return None
    try:
        row = loads(line)
    except ValueError:
        return None
    row_id = str(row["id"]) if isinstance(row, dict) and row.get("id") is not None else None
    return None if row_id is None else key_of(row_id)


def _ends(files: RunFiles) -> str:
    """The step whose rows are the set if there is no `set.jsonl`."""
    return files.last.name if files.set_path is None and files.last is not None else ""


def _mark_ends(index: sqlite3.Connection, files: RunFiles) -> None:
    before, now = meta(index, "ends"), _ends(files)
    if before != now:
        for step in {before, now} - {None, ""}:
            index.execute(
                "INSERT OR IGNORE INTO stale SELECT number FROM place WHERE file IN "
                "(SELECT file FROM file WHERE step = ? AND outcome = 'out')",
                (step,),
            )
        set_meta(index, "ends", now)
