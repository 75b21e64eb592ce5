"""The tables of an index, and how its file is opened.

`row` numbers every id that the run's files name, in the order of their first appearance. `place` says where its lines
lie, `problem` has what lists are filtered and sorted by, and `text` is the full text (SQLite's FTS5). A value that is
not known is -1 or the empty string, so that paging by key compares values only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptcot.errors import InputError

FORMAT = 1
"""Raised whenever a table changes; an index of another format is built again."""
_APPLICATION = 0x50434F54
_CACHE_KIB = 128 * 1024

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE file (file INTEGER PRIMARY KEY, step TEXT, outcome TEXT, position INTEGER, path TEXT, size INTEGER,
    mtime INTEGER, inode INTEGER, upto INTEGER, mark BLOB, UNIQUE (step, outcome));
CREATE TABLE row (number INTEGER PRIMARY KEY, id TEXT UNIQUE);
CREATE TABLE place (number INTEGER, file INTEGER, start INTEGER, length INTEGER, PRIMARY KEY (number, file, start))
    WITHOUT ROWID;
CREATE TABLE stale (number INTEGER PRIMARY KEY);
CREATE TABLE problem (number INTEGER PRIMARY KEY, id TEXT, level TEXT, verdict TEXT, verdicts TEXT, validity TEXT,
    agreement REAL, pass_rate REAL, n INTEGER, fate TEXT, reason TEXT, answer TEXT);
CREATE TABLE concept (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5 (problem, rationale, concepts, answer, tokenize = 'unicode61', prefix = '2 3');
"""
INDEXED = ("level", "verdict", "validity", "fate", "reason", "agreement", "pass_rate")
"""The columns of `problem` with an index of their own, which is made when all rows are in."""


def opened(path: Path) -> sqlite3.Connection:
    """The file of an index, for several threads that take turns. Raises sqlite3.Error."""
    found = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
    found.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    found.execute("PRAGMA temp_store = MEMORY")
    found.execute("PRAGMA trusted_schema = OFF")  # a run may come from anybody, and an index with it
    return found


def create(path: Path) -> sqlite3.Connection:
    """A new file with empty tables. It is moved into place when it is complete, so nothing is made to last meanwhile.

    Raises InputError where Python's SQLite has no full text search.
    """
    path.unlink(missing_ok=True)
    index = opened(path)
    index.execute("PRAGMA journal_mode = OFF")
    index.execute("PRAGMA synchronous = OFF")
    index.execute("PRAGMA page_size = 8192")
    try:
        index.executescript(_SCHEMA)
    except sqlite3.OperationalError as error:
        if "fts5" not in str(error):
            raise
        raise InputError(
            "view needs SQLite's full text search (FTS5), which this Python's sqlite3 lacks; use another Python"
        ) from error
    index.execute(f"PRAGMA application_id = {_APPLICATION}")
    index.execute(f"PRAGMA user_version = {FORMAT}")
    return index


@contextmanager
def transaction(index: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is written within."""
    index.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        index.execute("ROLLBACK")
        raise
    index.execute("COMMIT")


def is_ours(index: sqlite3.Connection) -> bool:
    """Whether this is an index of this format, and complete. Raises sqlite3.Error for a damaged one."""
    application = index.execute("PRAGMA application_id").fetchone()[0]
    version = index.execute("PRAGMA user_version").fetchone()[0]
    return (application, version) == (_APPLICATION, FORMAT) and meta(index, "complete") == "yes"


def clean(text: str | None) -> str:
    """The text as SQLite stores it: without NUL and without lone surrogates."""
    return (text or "").replace("\0", "").encode(errors="replace").decode()


def meta(index: sqlite3.Connection, name: str) -> str | None:
    found = index.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if found is None else found[0]


def set_meta(index: sqlite3.Connection, name: str, value: str) -> None:
    index.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
