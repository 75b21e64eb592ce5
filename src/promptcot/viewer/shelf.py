"""A run that is open in the viewer: its files, its index and its reviews, as they are now.

At a request it is looked, at most every few seconds, whether files grew; the index is then renewed beside the readers.
Reviews are looked at each time, so that a decision of another reviewer is seen at once.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptcot.core.history import History
from promptcot.errors import InputError, StorageError
from promptcot.inspection.files import RunFiles
from promptcot.storage.reviews import REVIEWS, Decision, Review, append, reviews_in
from promptcot.viewer.entries import history
from promptcot.viewer.index import Hooks, Index, folder_for
from promptcot.viewer.queries import SYNTAX, Lists
from promptcot.viewer.tables import clean

_LOOK_AGAIN, _PATIENCE = 3.0, 0.5
"""Seconds between two looks at the files, and for which a request waits for what is new."""


class Shelf:
    """One run, for threads that take turns. Opening it builds the index. Raises InputError and StorageError."""

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
        """The lists, for one thread at a time. Raises sqlite3.DatabaseError for a damaged index: see `rebuild`."""
        with self._lock:
            self._take_reviews()
            yield Lists(self._connection)

    def look_again(self) -> None:
        """Renew the index if the files of the run changed; nothing where that was looked at a moment ago.

        What takes longer than `_PATIENCE` goes on while the index is read as it was.
        """
        if self._clock() - self._looked < _LOOK_AGAIN or not self._renewing.acquire(blocking=False):
            return
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        renewing.join(_PATIENCE)

    def _renew(self) -> None:
        try:
            self.files = RunFiles.of(self.directory)
            if self.index.bring_up_to_date(self.files):
                self._open_again()
            self.trouble = None
        except (InputError, StorageError) as error:
            self.trouble = str(error)  # what is in the index is shown
        finally:
            self._looked = self._clock()
            self._renewing.release()

    def rebuild(self) -> None:
        """Build a damaged index again. Raises InputError and StorageError."""
        with self._renewing, self._lock:
            self._connection.close()
            self.index.throw_away()
            self.files = RunFiles.of(self.directory)
            self.index.bring_up_to_date(self.files)
            self._connection = self._open()

    def history(self, number: int, row_id: str) -> History:
        with self._lock:
            return history(self._connection, self.directory, number, row_id)

    def reviews(self, numbers: Sequence[int]) -> dict[int, Review]:
        """What holds for each of these problems."""
        marks = ", ".join("?" * len(numbers))
        with self._lock:
            rows = self._connection.execute(
                f"SELECT number, id, decision, note, reviewer, at FROM temp.review WHERE number IN ({marks})",
                [*numbers],
            )
            return {row[0]: Review(*row[1:]) for row in rows}

    def said_of(self, row_id: str) -> list[Review]:
        """All that was decided and noted about a problem, the latest first."""
        return [one for one in reversed(reviews_in(self.directory).lines) if one.id == row_id]

    def reviewers(self) -> list[str]:
        with self._lock:
            found = self._connection.execute("SELECT DISTINCT reviewer FROM temp.review ORDER BY reviewer")
            return [name for (name,) in found]

    def decide(self, row_id: str, decision: Decision | None, note: str | None, reviewer: str) -> None:
        """Write down a decision or a note. Raises StorageError."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        append(self.directory, Review(row_id, decision, note, reviewer, at))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        found = self.index.reader()
        found.execute(
            "CREATE TEMP TABLE review (number INTEGER PRIMARY KEY, id TEXT, decision TEXT, note TEXT, reviewer TEXT,"
            " at TEXT)"
        )
        found.execute(SYNTAX)
        self._stamp: Any = None
        self._known: Mapping[str, Review] = {}
        return found

    def _open_again(self) -> None:
        with self._lock:
            self._connection.close()
            self._connection = self._open()

    def _take_reviews(self) -> None:
        """Bring `temp.review` up to date, if the file of reviews is another than it was."""
        stamp = _stamp(self.directory / REVIEWS)
        if stamp == self._stamp:
            return
        latest = reviews_in(self.directory).latest
        changed = [one for name, one in latest.items() if self._known.get(name) != one]
        with_number = "SELECT number, ?, ?, ?, ?, ? FROM row WHERE id = ?"
        if self._known.keys() - latest.keys():
            self._connection.execute("DELETE FROM temp.review")
            changed = [*latest.values()]
        self._connection.executemany(
            f"INSERT OR REPLACE INTO temp.review {with_number}",
            ([*map(_stored, (one.id, one.decision, one.note, one.reviewer, one.at)), clean(one.id)] for one in changed),
        )
        self._stamp, self._known = stamp, latest


def _stored(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
