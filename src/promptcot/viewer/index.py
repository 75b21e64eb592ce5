"""The index of a run: where it is stored, and when it is built, updated or rebuilt.

It is in `view.index` in the run directory or, if that is not writable, in the user's cache directory. One process
writes at a time, and others can read meanwhile. A damaged index is rebuilt, because everything in it comes from the
files of the run.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from promptcot.errors import StorageError
from promptcot.inspection.files import RunFiles
from promptcot.storage.atomic import removed_on_error
from promptcot.viewer.entries import renew
from promptcot.viewer.queries import count_values
from promptcot.viewer.scanning import has_changed, scan, sources
from promptcot.viewer.tables import INDEXED, create, is_ours, meta, opened, set_meta

FOLDER = "view.index"
_FILE, _LOCK = "index.sqlite", "lock"


@dataclass
class Hooks:
    """Called while an index is built: with the bytes that were read, with the rows that were indexed, when another
    process is building the index, and when a damaged index is rebuilt.
    """

    read: Callable[[int, int], None] = lambda done, of: None
    indexed: Callable[[int, int], None] = lambda done, of: None
    waiting: Callable[[], None] = lambda: None
    rebuilt: Callable[[], None] = lambda: None


@dataclass
class Index:
    """The index of the run in `directory`, stored in `folder`."""

    directory: Path
    folder: Path
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def path(self) -> Path:
        return self.folder / _FILE

    def bring_up_to_date(self, files: RunFiles) -> bool:
        """Build the index, or update it for the files that changed. Returns whether it was changed.

        Waits while another process writes it. Raises StorageError, and InputError without full text search.
        """
        try:
            if self._is_current(files):
                return False
            with self._held():
                if self._is_current(files):
                    return False
                self._renew(files) if self._is_sound() else self._build(files)
        except BrokenExecutor as error:
            raise StorageError(
                f"{self.directory}: a process that reads the files was killed; free some memory, and try again"
            ) from error
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{self.folder}: the index cannot be written ({error}); free some space, or remove this directory"
            ) from error
        return True

    def reader(self) -> sqlite3.Connection:
        """A connection for reading. Raises sqlite3.Error."""
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
                is_read = index.execute("SELECT 1 FROM stale LIMIT 1").fetchone() is None
                return is_read and meta(index, "counted") == "yes" and not has_changed(index, files)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # whoever holds the lock finds the damage again and rebuilds
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
        partial = self.folder / f"{_FILE}.partial"
        with removed_on_error(partial):
            with _closing(create(partial)) as index:
                self._read(index, files)
                index.execute("INSERT OR IGNORE INTO stale SELECT number FROM row")
                self._renew_rows(index)
                index.execute("ANALYZE")
                set_meta(index, "complete", "yes")
            self.throw_away()
            partial.replace(self.path)
        with _closing(opened(self.path)) as index:
            index.execute("PRAGMA journal_mode = WAL")  # allows reading during an update

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
        total = sum(source.path.stat().st_size for source in sources(files) if source.path.is_file())
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
        """Holds the lock for writing."""
        self.folder.mkdir(exist_ok=True)  # somebody may have deleted it
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
    """The directory of the index: in the run directory, else in the user's cache, else a temporary one."""
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
