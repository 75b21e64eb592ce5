"""Writes rows under a temporary name, and renames the file when it is complete."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.atomic import is_still, make_parent, open_locked, storing, sync
from promptcot.storage.json import loads, written
from promptcot.storage.parquet_rows import BATCH, whole_letters, write_parquet
from promptcot.storage.rows import read_lines


class RowWriter:
    """Writes rows to a temporary name beside `path`; `commit` renames, `discard` removes. Not thread-safe.

    The temporary file is locked, so that two writers cannot share a name. Raises LockedError, StorageError. `replaced`
    counts values that the format cannot hold and that were replaced; it is complete once the file is finished. NaN is
    not a JSON value and becomes null, unless `nan` says otherwise for files that only we read.
    """

    def __init__(self, path: Path, nan: Literal["null", "NaN"] = "null") -> None:
        self.path = path
        self.replaced: Counter[str] = Counter()
        self._is_parquet = path.name.endswith(".parquet")
        self._nan: Literal["null", "NaN"] = "NaN" if self._is_parquet else nan
        self._partial = path.with_name(path.name + ".partial")
        self._ready = self._partial
        make_parent(self._partial)
        with storing(self._partial):
            handle = open_locked(self._partial)
            self._lock = os.dup(handle)  # outlives the file: no other process may start before the rename
            self._file = self._open(handle)

    def _open(self, handle: int) -> IO[bytes]:
        plain = os.fdopen(handle, "wb", buffering=1 << 16)
        plain.truncate()
        if not self.path.name.endswith(".zst"):
            return plain
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(plain, closefd=True)

    def write(self, row: Row) -> None:
        """Raises StorageError, and InputError for a row that JSON cannot hold."""
        try:
            line = self._line(row)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"{self.path}: row {row.get('id')} cannot be written as JSON: {error}") from error
        with storing(self._partial):
            self._file.write(line)

    def _line(self, row: Row) -> bytes:
        line, lost = written(row, self._nan)
        if lost and self._nan == "null":
            self.replaced["NaN, which JSON does not have, by null"] += lost
        if not self._is_parquet or b"\\ud" not in line:
            return line
        halves: list[None] = []
        line = written(whole_letters(loads(line), halves), self._nan)[0]
        self.replaced["texts with half a surrogate pair, which UTF-8 cannot encode, by texts with U+FFFD"] += len(
            halves
        )
        return line

    def finish(self) -> None:
        """Sync everything, still under the temporary name. Raises StorageError, or InputError for Parquet."""
        with storing(self._partial):
            self._file.close()
            if self._is_parquet:
                self._ready = self._partial.with_name(self._partial.name + ".parquet")
                self.replaced += write_parquet(lambda: _batches(self._partial), self._ready)
            sync(self._ready)

    @property
    def finished(self) -> Path:
        """The path of the finished file until it is published."""
        return self._ready

    def publish(self) -> None:
        """Rename the finished file to its name. Raises StorageError."""
        with storing(self.path):
            os.replace(self._ready, self.path)
            sync(self.path.parent)
        self.discard()

    def commit(self) -> None:
        """Finish and publish. Raises StorageError."""
        self.finish()
        self.publish()

    def discard(self) -> None:
        """Remove the temporary file. May be called more than once; never raises."""
        if self._lock < 0:
            return
        with suppress(OSError):
            self._file.close()
        for temporary in {self._partial, self._ready}:
            with suppress(OSError):
                if temporary != self._partial or is_still(self._lock, temporary):
                    temporary.unlink()
        os.close(self._lock)
        self._lock = -1


def _batches(lines: Path) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in read_lines(lines):
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
