"""Rows that a step holds back, in a file of its folder: written once and read by their number.

Takes 8 bytes of memory a row. Every run makes the file again, so it need not survive a kill.
"""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

from promptcot.records import Row
from promptcot.storage.atomic import storing
from promptcot.storage.json import loads, written


class HeldRows:
    """The rows, numbered from 0 in the order in which they were added."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rows.jsonl"
        self._starts = array("q")
        self._end = 0
        with storing(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w+b")

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, row: Row) -> None:
        """Store a row. Raises StorageError."""
        line, _ = written(row, nan="NaN")
        with storing(self._path):
            self._file.write(line)
        self._starts.append(self._end)
        self._end += len(line)

    def line(self, number: int) -> bytes:
        """The row as it is written."""
        with storing(self._path):
            self._file.seek(self._starts[number])
            return self._file.readline()

    def __getitem__(self, number: int) -> Row:
        row: Any = loads(self.line(number))
        assert isinstance(row, dict)
        return row

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)
