"""An output and its companions: accepted, dropped and failed rows, the summary, the recipe, the lock.

Decides the names (`X.jsonl`, `X.dropped.jsonl`, `X.failed.jsonl`, `X.summary.json`, `X.recipe.json`) and the format of
dropped rows. All files appear atomically at the end. Rows are counted here, but their outcomes are decided elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Self

from promptcot.errors import InputError
from promptcot.records import SOURCE_INDEX, Drop, Failed, Item, Outcome, Row
from promptcot.storage.atomic import write_json
from promptcot.storage.counts import BEYOND_TARGET, StageCounts
from promptcot.storage.manifest import FORMAT
from promptcot.storage.paths import SUFFIXES, beside
from promptcot.storage.writer import RowWriter


@dataclass
class Cut:
    """The last position that a run's files may contain, so that they do not depend on the timing of calls.

    Rows up to position `settled` belong to the result; `last` is set when the target is reached.
    """

    settled: int = -1
    last: int | None = None


class Output:
    """Collects outcomes, in the order of their positions, for one file. Use as a context manager, then `commit`.

    With a `cut`, outcomes wait until their position is settled. With `placed`, each row is written with its position,
    unless it has one. Without `commit` nothing appears.
    """

    def __init__(self, path: Path, name: str, cut: Cut | None = None, *, placed: bool = False) -> None:
        if not path.name.endswith(SUFFIXES):
            raise InputError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")
        self.path = path
        self.counts = StageCounts(name)
        self.placed = placed
        self._cut = cut
        self._waiting: deque[Outcome] = deque()
        self._writers: dict[str, RowWriter] = {}

    def __enter__(self) -> Self:
        self._writer("")
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.discard()

    def take(self, outcome: Outcome) -> None:
        """Write an outcome to its file, now or when its position is settled. Raises StorageError."""
        if self._cut is None:
            self._write(outcome)
            return
        self._waiting.append(outcome)
        self.settle()

    def append(self, outcome: Outcome) -> None:
        """Write the outcome of a row that was held back, and so is counted already.

        Raises StorageError, and InputError if more rows are dropped than were held back.
        """
        self.counts.rows_out -= 1
        if isinstance(outcome.result, Drop) and self.counts.rows_out < 0:
            raise InputError(f"{self.counts.name}: at the end the step drops more rows than it held back")
        self.take(outcome)

    def add(self, index: int, row: Row, result: Row | Sequence[Row] | Drop | Failed | str) -> None:
        """Count a row and write its outcome: rows, or the reason why there is none."""
        self.counts.rows_in += 1
        outcome = Drop(result) if isinstance(result, str) else [result] if isinstance(result, dict) else result
        self.take(Outcome(Item(index, row), outcome))

    def copy(self, kind: str, row: Row) -> None:
        """Write a row from another output's file, which counted it: an accepted one if `kind` is empty, a `dropped`
        one, or a `failed` one.
        """
        self._writer(kind).write(row)

    def settle(self) -> None:
        """Write the outcomes that waited for the cut's position."""
        if self._cut is not None:
            self._settle(self._cut.settled)

    def _settle(self, position: float) -> None:
        while self._waiting and self._waiting[0].item.index <= position:
            self._write(self._waiting.popleft())

    def _write(self, outcome: Outcome) -> None:
        row, result, index = outcome.item.row, outcome.result, outcome.item.index
        if isinstance(result, Drop):
            self.counts.dropped[result.reason] += 1
            why = {"reason": result.reason, "raw": list(result.raw), "finish_reason": result.finish_reason}
            said = {**row, **result.details, **{key: value for key, value in why.items() if value}}
            self._write_row("dropped", index, said)
        elif isinstance(result, Failed):
            self.counts.failed[result.cause] += 1
            self._write_row("failed", index, {**row, "cause": result.cause, "error": result.message})
        else:
            self.counts.rows_out += 1
            self.counts.rows_written += len(result)
            for made in result:
                self._write_row("", index, made)

    def _write_row(self, kind: str, index: int, row: Row) -> None:
        placed = self.placed and SOURCE_INDEX not in row
        self._put(kind, index, {**row, SOURCE_INDEX: index} if placed else row)

    def _put(self, kind: str, index: int, row: Row) -> None:
        """Write a row of this position into the file of its kind."""
        self._writer(kind).write(row)

    def commit(self, recipe: dict[str, Any] | None = None, more: Mapping[str, Any] | None = None) -> None:
        """Publish the files; with a `recipe`, it and the summary, extended by `more`, too.

        Raises StorageError.
        """
        self.finish()
        self.publish()
        if recipe is not None:
            write_json(beside(self.path, "recipe.json"), recipe)
            write_json(
                beside(self.path, "summary.json"),
                {"format": FORMAT, "stages": {self.counts.name: self.counts.summary()}, **(more or {})},
            )

    def finish(self) -> None:
        """Check the counts and sync all files under temporary names, so that a full disk is found before any is
        published.

        Raises StorageError; AssertionError if a row is missing.
        """
        if self._cut is not None:
            self._settle(inf if self._cut.last is None else self._cut.last)
            self._leave_out_the_rest()
        if not self.counts.balanced:
            raise AssertionError(f"the counts of {self.counts.name} do not add up: {self.counts.summary()}")
        for writer in self._writers.values():
            writer.finish()
            self.counts.replaced += writer.replaced

    @property
    def finished(self) -> Path:
        """The file of the accepted rows between `finish` and `publish`."""
        return self._writers[""].finished

    def publish(self) -> None:
        """Rename the finished files to their names, and remove those of an earlier run. Raises StorageError."""
        for kind in ("dropped", "failed", ""):
            if kind in self._writers:
                self._writers.pop(kind).publish()
            else:
                self._name(kind).unlink(missing_ok=True)
                self._name(kind).with_name(self._name(kind).name + ".partial").unlink(missing_ok=True)

    def _leave_out_the_rest(self) -> None:
        """Count rows beyond the target. Their calls are in the journal, but the rows are in no file."""
        self._waiting.clear()
        beyond = self.counts.rows_in - self.counts.rows_done
        if beyond and self._cut is not None and self._cut.last is not None:
            self.counts.dropped[BEYOND_TARGET] += beyond

    def _writer(self, kind: str) -> RowWriter:
        if kind not in self._writers:
            self._writers[kind] = RowWriter(self._name(kind))
        return self._writers[kind]

    def _name(self, kind: str) -> Path:
        return beside(self.path, f"{kind}.jsonl") if kind else self.path
