"""The log of a training run: a file of JSON lines, each with its `step`, that grows during the training.

A resumed run repeats the steps after its checkpoint. To keep each step once, the log is first truncated: all lines
up to the checkpoint's step are written to a new file, which then replaces the old one. `watching` decides what the
lines contain.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.records import Row
from promptcot.storage.atomic import make_parent, storing, write_whole
from promptcot.storage.checked import FIELD, intact, sealed
from promptcot.storage.json import dumps, loads


class LogFile:
    """Lines of a file, appended one by one; concurrent readers always see complete lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: Row) -> None:
        """Raises StorageError."""
        make_parent(self.path)
        with storing(self.path), self.path.open("ab", buffering=0) as file:
            file.write(sealed(dumps(line)))

    def cut(self, step: int) -> list[Row]:
        """Remove all lines after `step`, or every line if `step` is 0; returns the rest. Raises StorageError."""
        kept = [line for line in self.lines() if line["step"] <= step] if step else []
        if kept:
            write_whole(self.path, b"".join(sealed(dumps(line)) for line in kept))
        else:
            with storing(self.path):
                self.path.unlink(missing_ok=True)
        return kept

    def lines(self) -> Iterator[Row]:
        """The lines of the file; none if it does not exist. An unfinished or damaged line is skipped.

        Files of earlier versions have no checksums at all, since a resumed training run rewrites its log.
        """
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        old = FIELD.encode() not in content
        for line in content.split(b"\n"):
            try:
                row = loads(line) if old or intact(line) else None
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                row.pop(FIELD, None)
                yield row
