"""Reads the rows of a run's files. Damaged lines are skipped and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.records import Row
from promptcot.storage.json import loads


class Rows:
    """Reads files one row at a time. `damaged` counts lines that could not be read."""

    def __init__(self) -> None:
        self.damaged = 0

    def of(self, path: Path | None, *, torn: bool = False) -> Iterator[Row]:
        """The rows of a file, none where there is no file. The last line of a `torn` file may be cut off."""
        if path is None:
            return
        try:
            lines = path.open("rb")
        except OSError:
            return
        with lines:
            for line in lines:
                row = _row(line)
                if row is not None:
                    yield row
                elif line.strip() and not (torn and not line.endswith(b"\n")):
                    self.damaged += 1


def _row(line: bytes) -> Row | None:
    try:
        row = loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
