"""The tables of an index, and how its file is opened.

`row` numbers the ids in the files of a run, in the order of their first appearance. `place` has the position of each
line of an id, `problem` the columns for filters and sorting, and `text` the full text (SQLite's FTS5). An unknown value
is -1 or the empty string, because paging by key cannot compare NULL. The columns ending in `_up` are for ascending
order, with unknown values last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptcot.errors import InputError

FORMAT = 2
"""The version of the tables. An index of another version is rebuilt."""
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
    agreement REAL, pass_rate REAL, n INTEGER, fate TEXT, reason TEXT, answer TEXT,
    agreement_up REAL GENERATED ALWAYS AS (CASE WHEN agreement < 0 THEN 1e99 ELSE agreement END) VIRTUAL,
    pass_rate_up REAL GENERATED ALWAYS AS (CASE WHEN pass_rate < 0 THEN 1e99 ELSE pass_rate END) VIRTUAL,
    level_up TEXT GENERATED ALWAYS AS (CASE WHEN level = '' THEN char(1114111) ELSE level END) VIRTUAL);
CREATE TABLE concept (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5 (problem, rationale, concepts, answer, tokenize = 'unicode61', prefix = '2 3');
"""
INDEXED = (
    *("level", "verdict", "validity", "fate", "reason", "agreement", "pass_rate"),
    *("agreement_up", "pass_rate_up", "level_up"),
)
"""The indexed columns of `problem`. The indexes are created after all rows are inserted."""


def opened(path: Path) -> sqlite3.Connection:
    """A connection to an index, for several threads, one at a time. Raises sqlite3.Error."""
    index = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
    index.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    index.execute("PRAGMA temp_store = MEMORY")
    index.execute("PRAGMA trusted_schema = OFF")  # a run may come from an untrusted source, and its index too
    return index


def create(path: Path) -> sqlite3.Connection:
    """A new file with empty tables. It is renamed when it is complete, so a crash before that may damage it.

    Raises InputError if Python's SQLite has no full text search.
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
    """A transaction, which is rolled back if the block raises."""
    index.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        index.execute("ROLLBACK")
        raise
    index.execute("COMMIT")


def is_ours(index: sqlite3.Connection) -> bool:
    """Whether this is a complete index of this format. Raises sqlite3.Error if it is damaged."""
    application = index.execute("PRAGMA application_id").fetchone()[0]
    version = index.execute("PRAGMA user_version").fetchone()[0]
    return (application, version) == (_APPLICATION, FORMAT) and meta(index, "complete") == "yes"


def clean(text: str | None) -> str:
    """The text as SQLite stores it: without NUL, and with `?` for lone surrogates."""
    return key_of((text or "").replace("\0", ""))


def key_of(row_id: str) -> str:
    """An id as SQLite stores it: with `?` for lone surrogates."""
    return row_id.encode(errors="replace").decode()


def meta(index: sqlite3.Connection, name: str) -> str | None:
    row = index.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def set_meta(index: sqlite3.Connection, name: str, value: str) -> None:
    index.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
