"""Where the lines of each id lie in a run's files: which files changed, and what is new in them.

A file that only grew is read from where it ended before; of one that was written anew, or is gone, the old places are
removed. The rows that this touches become `stale`: `entries` reads them again. Nothing is parsed here but ids.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from promptcot.core.history import SET
from promptcot.inspection.files import RunFiles
from promptcot.storage.json import loads
from promptcot.viewer.tables import meta, set_meta, transaction

Progress = Callable[[int], None]
"""Called with bytes that were read."""

_BATCH = 20_000
_EDGE = 4096
_START = b'{"id":"'
_LONGEST_ID = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the run: of which step and outcome, and its place in the order of the history."""

    step: str
    outcome: str
    position: int
    path: Path


def sources(files: RunFiles) -> list[Source]:
    """The files of a run, in the order in which its steps wrote them; the set comes last."""
    found = [
        (step.name, outcome, path)
        for step in files.steps
        for outcome, path in (("out", step.rows), ("dropped", step.dropped), ("failed", step.failed))
        if path is not None
    ]
    if files.set_path is not None:
        found.append((SET, "out", files.set_path))
    return [Source(step, outcome, position, path) for position, (step, outcome, path) in enumerate(found)]


def has_changed(index: sqlite3.Connection, files: RunFiles) -> bool:
    """Whether a file is not as it was when it was read last. Looks at sizes and times only."""
    known = {row[:2]: row[2:] for row in index.execute("SELECT step, outcome, path, size, mtime, inode FROM file")}
    now = sources(files)
    if len(known) != len(now) or meta(index, "ends") != _ends(files):
        return True
    return any(known.get((one.step, one.outcome)) != (str(one.path.name), *_stamp(one.path)) for one in now)


def scan(index: sqlite3.Connection, files: RunFiles, progress: Progress) -> None:
    """Bring the places up to date. All of it is one transaction."""
    now = sources(files)
    with transaction(index):
        named = {(one.step, one.outcome) for one in now}
        for file, step, outcome in index.execute("SELECT file, step, outcome FROM file").fetchall():
            if (step, outcome) not in named:
                _forget(index, file)
                index.execute("DELETE FROM file WHERE file = ?", (file,))
        for one in now:
            _scan_one(index, one, progress)
        _mark_ends(index, files)


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
                if upto and (stamp[2] != inode or stamp[0] < upto or _mark(handle.fileno(), upto) != mark):
                    _forget(index, file)
                    upto = 0
                handle.seek(upto)
                upto = _add(index, file, handle, upto, stamp[0], progress)
                mark = _mark(handle.fileno(), upto)
    except OSError:  # it was removed meanwhile: the next look finds it gone
        return
    index.execute(
        "UPDATE file SET position = ?, path = ?, size = ?, mtime = ?, inode = ?, upto = ?, mark = ? WHERE file = ?",
        (source.position, source.path.name, *stamp, upto, mark, file),
    )


def _stamp(path: Path) -> tuple[int, int, int]:
    """Size, time and inode; of a file that is gone (-1, 0, 0)."""
    try:
        found = path.stat()
    except OSError:
        return -1, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino


def _mark(handle: int, upto: int) -> bytes:
    """A hash of the first bytes of a file and of the last ones that were read: whether it only grew since."""
    edges = os.pread(handle, min(_EDGE, upto), 0) + os.pread(handle, min(_EDGE, upto), max(0, upto - _EDGE))
    return hashlib.blake2b(edges, digest_size=16).digest()


def _forget(index: sqlite3.Connection, file: int) -> None:
    index.execute("INSERT OR IGNORE INTO stale SELECT number FROM place WHERE file = ?", (file,))
    index.execute("DELETE FROM place WHERE file = ?", (file,))


def _add(
    index: sqlite3.Connection, file: int, handle: Iterator[bytes], start: int, size: int, progress: Progress
) -> int:
    """Add the places of the lines from here on; returns where the last whole line ends."""
    lines, is_complete = _places(handle, start, size), meta(index, "complete") == "yes"
    while batch := list(islice(lines, _BATCH)):
        names = [(name,) for name, _, _ in batch if name]
        index.executemany("INSERT OR IGNORE INTO row (id) VALUES (?)", names)
        index.executemany(
            "INSERT OR IGNORE INTO place SELECT number, ?, ?, ? FROM row WHERE id = ?",
            ((file, at, length, name) for name, at, length in batch if name),
        )
        if is_complete:  # else all rows are, when all files are read
            index.executemany("INSERT OR IGNORE INTO stale SELECT number FROM row WHERE id = ?", names)
        end = batch[-1][1] + batch[-1][2]
        progress(end - start)
        start = end
    return start


def _places(lines: Iterator[bytes], at: int, size: int) -> Iterator[tuple[str | None, int, int]]:
    """The id (None for what is no row), start and length of each line. A torn last line is left for later."""
    for line in lines:
        if at >= size:
            return
        name = id_of(line)
        if name is None and not line.endswith(b"\n"):
            return
        yield name, at, len(line)
        at += len(line)


def id_of(line: bytes) -> str | None:
    """The id of a line; only a line that does not begin with it, or that is torn, is parsed."""
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
    found = str(row["id"]) if isinstance(row, dict) and row.get("id") is not None else None
    return None if found is None else found.encode(errors="replace").decode()


def _ends(files: RunFiles) -> str:
    """The step whose rows are the set where there is no `set.jsonl`."""
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
