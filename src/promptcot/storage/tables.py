"""Writes rows with known columns to Parquet or JSON Lines, in shards of bounded size, as a stream.

Decides where a shard ends, how characters that UTF-8 cannot hold are replaced, and the Parquet options: plain Arrow
types, Zstandard compression, row groups of about 32 MB, and no metadata for a single library, so that old readers can
read everything. The caller decides the columns. Memory holds one row group.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from promptcot.records import Row
from promptcot.storage.atomic import storing, sync
from promptcot.storage.json import written
from promptcot.storage.parquet import pyarrow
from promptcot.storage.parquet_rows import whole_letters

MOST_BYTES = 400_000_000
"""The most bytes of one shard on disk."""
_ROW_GROUP = 32_000_000
_AT_ONCE = 1 << 20
_REPLACED = "texts with half a surrogate pair, which UTF-8 cannot encode, by texts with U+FFFD"
_TYPES = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished file."""

    name: str
    rows: int
    bytes: int
    sha256: str

    def told(self) -> dict[str, Any]:
        """The shard's entry in a manifest."""
        return {"name": self.name, "rows": self.rows, "bytes": self.bytes, "sha256": self.sha256}


class _Writer(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...

    @property
    def size(self) -> int:
        """The approximate bytes on disk."""

    def close(self) -> None: ...


class Shards:
    """The files of one split in a folder: `NAME.parquet`, or `NAME-00000-of-00012.parquet` if there are several.

    `columns` has the types by name: "string", "integer", "number", "boolean", a tuple of one for a list of it, a
    mapping for an object. A shard ends at `most_rows`, or once it has `most_bytes`.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        suffix: str,
        columns: Mapping[str, Any],
        most_rows: int | None = None,
        most_bytes: int | None = MOST_BYTES,
    ) -> None:
        self.replaced: Counter[str] = Counter()
        self._folder, self._name, self._suffix = folder, name, suffix
        self._columns = columns
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._rows: list[int] = []
        self._open: _Writer | None = None

    @property
    def rows(self) -> int:
        """The number of rows written."""
        return sum(self._rows)

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, few enough to fit into memory twice. Raises StorageError."""
        with storing(self._folder):
            while rows:
                writer = self._open or self._begin()
                room = len(rows) if self._most_rows is None else self._most_rows - self._rows[-1]
                writer.write(rows[:room])
                self._rows[-1] += len(rows[:room])
                rows = rows[room:]
                full = self._rows[-1] == self._most_rows
                if full or (self._most_bytes is not None and writer.size >= self._most_bytes):
                    self._end()

    def finish(self) -> list[Shard]:
        """Publish the files and return them. Raises StorageError."""
        with storing(self._folder):
            self._end()
            return [self._named(number) for number in range(len(self._rows))]

    def _begin(self) -> _Writer:
        self._rows.append(0)
        path = self._path(len(self._rows) - 1)
        make = _Parquet if self._suffix == ".parquet" else _Lines
        self._open = make(path, self._columns, self.replaced)
        return self._open

    def _end(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
            sync(self._path(len(self._rows) - 1))

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:05}.partial"

    def _named(self, number: int) -> Shard:
        several = f"-{number:05}-of-{len(self._rows):05}" if len(self._rows) > 1 else ""
        path = self._path(number).rename(self._folder / f"{self._name}{several}{self._suffix}")
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return Shard(path.name, self._rows[number], path.stat().st_size, digest)


class _Lines:
    """JSON Lines."""

    def __init__(self, path: Path, columns: Mapping[str, Any], replaced: Counter[str]) -> None:
        self._file: IO[bytes] = path.open("wb", buffering=_AT_ONCE)
        self._replaced = replaced

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            line, _ = written(row)
            if b"\\ud" in line:
                line, _ = written(_whole([row], self._replaced)[0])
            self._file.write(line)

    @property
    def size(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """One file; rows are buffered until they fill a row group."""

    def __init__(self, path: Path, columns: Mapping[str, Any], replaced: Counter[str]) -> None:
        arrow = pyarrow("lib")
        self._schema = arrow.schema([(name, _type(kind)) for name, kind in columns.items()])
        self._file: IO[bytes] = path.open("wb")
        self._writer = pyarrow("parquet").ParquetWriter(self._file, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._bytes = 0
        self._replaced = replaced

    def write(self, rows: Sequence[Row]) -> None:
        table = pyarrow("lib").Table
        try:
            made = table.from_pylist(rows, schema=self._schema)
        except UnicodeEncodeError:
            made = table.from_pylist(_whole(rows, self._replaced), schema=self._schema)
        self._waiting.append(made)
        self._bytes += made.nbytes
        if self._bytes >= _ROW_GROUP:
            self._flush()

    @property
    def size(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            together = pyarrow("lib").concat_tables(self._waiting)
            self._writer.write_table(together, row_group_size=len(together))
            self._waiting, self._bytes = [], 0


def _whole(rows: Sequence[Row], replaced: Counter[str]) -> list[Row]:
    halves: list[None] = []
    cleaned = [whole_letters(row, halves) for row in rows]
    replaced[_REPLACED] += len(halves)
    return cleaned


def _type(kind: Any) -> Any:
    """The Arrow type of a column's type. Raises KeyError for an unknown one."""
    arrow = pyarrow("lib")
    if isinstance(kind, str):
        return getattr(arrow, _TYPES[kind])()
    if isinstance(kind, Mapping):
        return arrow.struct([(name, _type(inner)) for name, inner in kind.items()])
    return arrow.list_(_type(kind[0]))
