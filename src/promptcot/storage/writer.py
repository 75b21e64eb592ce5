"""Rows written to disk under a temporary name, and renamed when all of them are there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.atomic import is_still, make_parent, open_locked, storing, sync
from promptcot.storage.json import dumps
from promptcot.storage.parquet import pyarrow
from promptcot.storage.rows import _BATCH, read_lines


class RowWriter:
    """Writes rows to a temporary name beside `path`; `commit` renames, `discard` removes. Not thread-safe.

    The temporary file is locked, so that two writers cannot share a name. Raises LockedError, StorageError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._ready = self._partial
        make_parent(self._partial)
        with storing(self._partial):
            handle = open_locked(self._partial)
            self._lock = os.dup(handle)  # outlives the file: nobody may begin anew before the rename
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
            line = dumps(row)
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"{self.path}: row {row.get('id')} cannot be written as JSON: {error}") from error
        with storing(self._partial):
            self._file.write(line)

    def finish(self) -> None:
        """Bring everything to disk, still under the temporary name. Raises StorageError, or InputError for Parquet."""
        with storing(self._partial):
            self._file.close()
            if self.path.name.endswith(".parquet"):
                self._ready = _to_parquet(self._partial)
            sync(self._ready)

    def publish(self) -> None:
        """Let the finished file appear under its own name. Raises StorageError."""
        with storing(self.path):
            os.replace(self._ready, self.path)
            sync(self.path.parent)
        self.discard()

    def commit(self) -> None:
        """Finish and publish. Raises StorageError."""
        self.finish()
        self.publish()

    def discard(self) -> None:
        """Leave nothing behind under a temporary name. May be called more than once; never raises."""
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


def _to_parquet(lines: Path) -> Path:
    """A Parquet file made of JSON Lines, in two passes: the union of all rows' fields first, then the rows."""
    arrow, parquet = pyarrow("lib"), pyarrow("parquet")
    target = lines.with_name(lines.name + ".parquet")
    try:
        schema = arrow.schema([])
        for batch in _batches(lines):
            found = arrow.Table.from_pylist(batch, arrow.schema(_fields(arrow, batch))).schema
            schema = arrow.unify_schemas([schema, found], promote_options="permissive")
        with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in _batches(lines):
                writer.write_table(arrow.Table.from_pylist(batch, schema))
    except arrow.ArrowException as error:
        raise InputError(f"{target}: these rows do not fit into Parquet ({error}); choose a .jsonl output") from error
    return target


def _fields(arrow: Any, batch: list[Row]) -> list[Any]:
    names = dict.fromkeys(name for row in batch for name in row)
    return [arrow.field(name, arrow.array([row.get(name) for row in batch]).type) for name in names]


def _batches(lines: Path) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in read_lines(lines):
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
