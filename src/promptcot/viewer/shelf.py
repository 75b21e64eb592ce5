"""A run that is open in the viewer: its files, its index and its reviews.

A request checks whether files changed, at most every few seconds. The index is then updated in the background. Reviews
are checked at each request, so decisions of other reviewers are visible at once.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptcot.core.history import History
from promptcot.errors import InputError, StorageError
from promptcot.inspection.files import RunFiles, packed_files
from promptcot.storage.reviews import REVIEWS, Decision, Review, Reviews, append, reviews_in
from promptcot.viewer.entries import history
from promptcot.viewer.index import Hooks, Index, folder_for
from promptcot.viewer.queries import TEMPORARY, Lists
from promptcot.viewer.tables import clean, key_of

_LOOK_AGAIN, _PATIENCE = 3.0, 0.5
"""The seconds between two checks of the files, and the seconds for which a request waits for an update."""


class Shelf:
    """One run, for several threads. Opening it builds the index. Raises InputError and StorageError."""

    def __init__(
        self, directory: Path, hooks: Hooks | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.directory = directory
        self.files = RunFiles.of(directory)
        self.index = Index(directory, folder_for(directory), hooks or Hooks())
        self.index.bring_up_to_date(self.files)
        self._clock = clock
        self._looked = clock()
        self._lock = threading.RLock()
        self._renewing = threading.Lock()
        self._connection = self._open()
        self.trouble: str | None = None

    @contextmanager
    def reading(self) -> Iterator[Lists]:
        """The lists, for one thread at a time. Raises StorageError, and DatabaseError if the index is damaged."""
        with self._lock:
            self._update_reviews()
            yield Lists(self._connection)

    def look_again(self) -> None:
        """Update the index if the files of the run changed, unless they were checked a moment ago.

        An update that takes longer than `_PATIENCE` continues in the background.
        """
        if self._clock() - self._looked < _LOOK_AGAIN or not self._renewing.acquire(blocking=False):
            return
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        renewing.join(_PATIENCE)

    def _renew(self) -> None:
        try:
            self.files = RunFiles.of(self.directory)
            if self.index.bring_up_to_date(self.files) or self._opened != _stamp(self.index.path, inode_only=True):
                self._open_again()
            self.trouble = None
        except (InputError, StorageError, OSError, sqlite3.Error) as error:
            self.trouble = str(error)  # the pages show what is in the index
        finally:
            self._looked = self._clock()
            self._renewing.release()

    def rebuild(self) -> None:
        """Rebuild a damaged index. Raises InputError and StorageError."""
        with self._renewing, self._lock:
            self._connection.close()
            self.index.throw_away()
            self.files = RunFiles.of(self.directory)
            self.index.bring_up_to_date(self.files)
            self._connection = self._open()

    def history(self, number: int, row_id: str) -> History:
        with self._lock:
            return history(self._connection, self.directory, number, row_id)

    def latest_reviews(self, row_ids: Sequence[str]) -> dict[str, Review]:
        """The latest decision and note about each of these problems, if there are any."""
        with self._lock:
            return {row_id: Reviews(self._by_id[row_id]).latest[row_id] for row_id in row_ids if row_id in self._by_id}

    def reviews_of(self, row_id: str) -> list[Review]:
        """All decisions and notes about a problem, the latest first."""
        with self._lock:
            return self._by_id.get(row_id, [])[::-1]

    def reviewers(self) -> list[str]:
        with self._lock:
            names = self._connection.execute("SELECT DISTINCT name FROM temp.reviewer WHERE name <> '' ORDER BY name")
            return [name for (name,) in names]

    def notices(self) -> Iterator[str]:
        """What a reader should know about this run besides its state."""
        if self.trouble:
            yield self.trouble
        if self.damaged:
            lines = "1 line is" if self.damaged == 1 else f"{self.damaged:,} lines are"
            yield f"{lines} damaged in {REVIEWS} and skipped; a decision may be missing."
        if packed := packed_files(self.directory):
            yield f"{', '.join(packed)}: not shown, because only plain .jsonl files of a run are read."

    def decide(self, row_id: str, decision: Decision | None, note: str | None, reviewer: str) -> None:
        """Store a decision or a note. Raises StorageError."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        append(self.directory, Review(row_id, decision, note, reviewer, at))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        self._opened = _stamp(self.index.path, inode_only=True)
        connection = self.index.reader()
        connection.executescript(TEMPORARY)
        self._seen: Any = ()
        self._reviews = Reviews([])
        self._by_id: dict[str, list[Review]] = {}
        self.damaged = 0
        return connection

    def _open_again(self) -> None:
        with self._lock:
            self._connection.close()
            self._connection = self._open()

    def _update_reviews(self) -> None:
        """Read the reviews again if their file changed, or if another process updated the index.

        Of a file that grew, only the new reviews are added to the tables.
        """
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        seen = (_stamp(self.directory / REVIEWS), version)
        if seen == self._seen:
            return
        reviews = reviews_in(self.directory)
        known = len(self._reviews.lines)
        if not self._seen or version != self._seen[1] or reviews.lines[:known] != self._reviews.lines:
            self._connection.execute("DELETE FROM temp.review")
            self._connection.execute("DELETE FROM temp.reviewer")
            self._by_id, known = {}, 0
        changed: dict[str, list[Review]] = {}
        for review in reviews.lines[known:]:
            key = key_of(review.id)
            changed[key] = self._by_id.setdefault(key, [])
            changed[key].append(review if key == review.id else replace(review, id=key))
        self._insert_reviews(changed)
        self._reviews, self.damaged, self._seen = reviews, reviews.damaged, seen

    def _insert_reviews(self, changed: Mapping[str, Sequence[Review]]) -> None:
        latest = ((key, Reviews(lines).latest[key]) for key, lines in changed.items())
        rows = ((review.decision, review.note and clean(review.note), key) for key, review in latest)
        names = ((_name(line.reviewer), key) for key, lines in changed.items() for line in lines)
        with self._connection:  # ends the transaction
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT OR REPLACE INTO temp.review SELECT number, ?, ? FROM row WHERE id = ?", rows
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO temp.reviewer SELECT number, ? FROM row WHERE id = ?", names
            )


def _name(reviewer: str) -> str:
    """The name of a reviewer, as a filter compares it."""
    return " ".join(clean(reviewer).split())[:1000]


def _stamp(path: Path, *, inode_only: bool = False) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino,) if inode_only else (status.st_size, status.st_mtime_ns, status.st_ino)
