"""The index of a run: where it lies, when it is built, renewed and thrown away.

It lies in `view.index` in the directory of the run, or, where that cannot be written, in the user's cache directory.
One process writes it at a time; readers go on meanwhile. A damaged index is built again, since the files of the run
have all that is in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from promptcot.errors import StorageError
from promptcot.inspection.files import RunFiles
from promptcot.viewer.entries import renew
from promptcot.viewer.queries import count_values
from promptcot.viewer.scanning import has_changed, scan, sources
from promptcot.viewer.tables import INDEXED, create, is_ours, opened, set_meta

FOLDER = "view.index"
_FILE, _LOCK = "index.sqlite", "lock"


@dataclass
class Hooks:
    """What is said while an index is built: bytes read `of` all, rows indexed, and that another process is at it."""

    read: Callable[[int, int], None] = lambda done, of: None
    indexed: Callable[[int, int], None] = lambda done, of: None
    waiting: Callable[[], None] = lambda: None
    rebuilt: Callable[[], None] = lambda: None


@dataclass
class Index:
    """The index of the run in `directory`; `folder` is where it lies."""

    directory: Path
    folder: Path
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def path(self) -> Path:
        return self.folder / _FILE

    def bring_up_to_date(self, files: RunFiles) -> bool:
        """Build the index, or renew it for the files that changed; returns whether anything was done.

        Waits for another process that is at it. Raises StorageError, and InputError without full text search.
        """
        try:
            if self._is_current(files):
                return False
            with self._held():
                if self._is_current(files):
                    return False
                self._renew(files) if self._is_sound() else self._build(files)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{self.folder}: the index cannot be written ({error}); see to it that there is space, or remove it"
            ) from error
        return True

    def reader(self) -> sqlite3.Connection:
        """A connection that reads. Raises sqlite3.Error."""
        return opened(self.path)

    def throw_away(self) -> None:
        """Remove a damaged index."""
        for name in (_FILE, f"{_FILE}-wal", f"{_FILE}-shm"):
            with suppress(OSError):
                (self.folder / name).unlink()

    def _is_current(self, files: RunFiles) -> bool:
        if not self._is_sound():
            return False
        try:
            with _closing(opened(self.path)) as index:
                return not has_changed(index, files) and index.execute("SELECT 1 FROM stale LIMIT 1").fetchone() is None
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # what is damaged is found out again by who holds the lock
            return False

    def _is_sound(self) -> bool:
        if not self.path.is_file():
            return False
        try:
            with _closing(opened(self.path)) as index:
                return is_ours(index)
        except sqlite3.DatabaseError:
            self.hooks.rebuilt()
            return False

    def _build(self, files: RunFiles) -> None:
        made = self.folder / f"{_FILE}.partial"
        with _closing(create(made)) as index:
            self._read(index, files)
            index.execute("INSERT OR IGNORE INTO stale SELECT number FROM row")
            self._renew_rows(index)
            index.execute("ANALYZE")
            set_meta(index, "complete", "yes")
        self.throw_away()
        made.replace(self.path)
        with _closing(opened(self.path)) as index:
            index.execute("PRAGMA journal_mode = WAL")  # readers go on while it is renewed

    def _renew(self, files: RunFiles) -> None:
        try:
            with _closing(opened(self.path)) as index:
                self._read(index, files)
                self._renew_rows(index)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.hooks.rebuilt()
            self._build(files)

    def _read(self, index: sqlite3.Connection, files: RunFiles) -> None:
        total = sum(one.path.stat().st_size for one in sources(files) if one.path.is_file())
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self.hooks.read(done, total)

        scan(index, files, progress)

    def _renew_rows(self, index: sqlite3.Connection) -> None:
        total = index.execute("SELECT COUNT(*) FROM stale").fetchone()[0]
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self.hooks.indexed(done, total)

        renew(index, self.directory, progress)
        for column in INDEXED:
            index.execute(f"CREATE INDEX IF NOT EXISTS by_{column} ON problem ({column})")
        count_values(index)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The lock of who writes."""
        handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.hooks.waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def folder_for(directory: Path) -> Path:
    """Where the index of a run lies: beside its files, else in the user's cache, else in a folder for a while."""
    digest = hashlib.blake2b(os.fsencode(directory.resolve()), digest_size=8).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "promptcot" / FOLDER / digest
    for folder in (directory / FOLDER, cache):
        with suppress(OSError):
            folder.mkdir(parents=folder is cache, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    return Path(tempfile.mkdtemp(prefix="promptcot-view-"))


@contextmanager
def _closing(index: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield index
    finally:
        index.close()
