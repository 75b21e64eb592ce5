"""The rows of a finished JSON Lines file as a lazy sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.json import loads
from promptcot.storage.rows import read_rows


class FileRows(Sequence[Row]):
    """The rows of `path`, empty if there is no such file. After the first access by index it takes 8 bytes a row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = _stamp(path)
        self._starts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Row]:
        self._check()
        return read_rows(self.path, may_be_empty=True) if self.path.exists() else iter(())

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self._row(int(start)) for start in self._offsets[place]]
        return self._row(int(self._offsets[place]))

    def __repr__(self) -> str:
        return f"{len(self):,} rows of {self.path}"

    @property
    def _offsets(self) -> NDArray[np.int64]:
        """The offset of each row. Raises InputError for a file that was replaced."""
        self._check()
        if self._starts is None:
            self._starts = np.fromiter(self._lines(), np.int64)
        return self._starts

    def _check(self) -> None:
        if _stamp(self.path) != self._written:
            raise InputError(
                f"{self.path}: the file was rewritten in the meantime; take its rows from the later result"
            )

    def _lines(self) -> Iterator[int]:
        if not self.path.exists():
            return
        offset = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    yield offset
                offset += len(line)

    def _row(self, start: int) -> Row:
        with self.path.open("rb") as lines:
            lines.seek(start)
            row: Row = loads(lines.readline())
        return row


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """The identity of a version of a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
