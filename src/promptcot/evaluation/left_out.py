"""Writes the rows of a file of predictions that could not be graded, each with its reason.

They are written beside the grades of the file, in the order of their rows, like the failed rows of other commands.
`predictions` decides which rows these are.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from promptcot.errors import InputError, RefusedGold
from promptcot.records import Row
from promptcot.storage.paths import beside
from promptcot.storage.writer import RowWriter

NAME = "grades.failed.jsonl"


class LeftOut:
    """Writes ungraded rows of `predictions`, and counts them. A context manager: the file appears when `commit` is
    called.

    Raises StorageError.
    """

    def __init__(self, predictions: Path) -> None:
        self.path = beside(predictions, NAME)
        self.count = 0
        self._example = ""
        self._writer: RowWriter | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def add(self, row: Row, error: InputError) -> None:
        """Write one row, with `cause` and `error`."""
        if self._writer is None:
            self._writer = RowWriter(self.path)
            self._held.callback(self._writer.discard)
        cause = "refused gold" if isinstance(error, RefusedGold) else "unfit"
        self._writer.write({**row, "cause": cause, "error": str(error)})
        self.count += 1
        self._example = self._example or str(error)

    def commit(self) -> None:
        """Make the file appear, and remove that of an earlier grading."""
        if self._writer is None:
            self.path.unlink(missing_ok=True)
        else:
            self._writer.commit()

    @property
    def notes(self) -> list[str]:
        """The messages about them; empty if there are none."""
        if not self.count:
            return []
        said = "1 row could not be graded and is left out of all numbers: "
        if self.count > 1:
            said = f"{self.count:,} rows could not be graded and are left out of all numbers, for example "
        return [said + self._example, f"rows that could not be graded: {self.path}"]
