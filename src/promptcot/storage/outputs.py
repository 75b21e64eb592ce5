"""One output and what lies beside it: accepted, dropped and failed rows, the summary, the recipe, the lock.

Decides the names (`X.jsonl`, `X.dropped.jsonl`, `X.failed.jsonl`, `X.summary.json`, `X.recipe.json`), that all of them
appear at the end and whole, and how a row that is left out is written down. It counts rows; it does not decide their
fate.
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
    """How far a run's files may reach, so that they do not depend on what happened to be finished when it stopped.

    Rows up to position `settled` are known to belong to the result; `last` is set when the target is reached.
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
        """Write an outcome where it belongs, now or when its position is settled. Raises StorageError."""
        if self._cut is None:
            self._write(outcome)
            return
        self._waiting.append(outcome)
        self.settle()

    def append(self, outcome: Outcome) -> None:
        """Write what became of a row that was held back, and so counts as given out already.

        Raises StorageError, and InputError where more rows are left out than were held back.
        """
        self.counts.rows_out -= 1
        if isinstance(outcome.result, Drop) and self.counts.rows_out < 0:
            raise InputError(f"{self.counts.name}: the step leaves out more rows in the end than it held back")
        self.take(outcome)

    def add(self, index: int, row: Row, result: Row | Sequence[Row] | Drop | Failed | str) -> None:
        """Count one more row, and write what becomes of it: rows, or the reason why there is none."""
        self.counts.rows_in += 1
        found = Drop(result) if isinstance(result, str) else [result] if isinstance(result, dict) else result
        self.take(Outcome(Item(index, row), found))

    def copy(self, kind: str, row: Row) -> None:
        """Write a row as it stands in the file of another output, which counted it: an accepted one, where `kind` is
        empty, one that was `dropped`, or one that `failed`.
        """
        self._writer(kind).write(row)

    def settle(self) -> None:
        """Write what waited for the cut's position."""
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
        """Let the files appear; with a `recipe`, it and the summary, with what there is `more`, beside them.

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
        """Check the counts and bring all files to disk under temporary names: a full disk shows before any appears.

        Raises StorageError; AssertionError if a row is unaccounted for.
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
        """Let the finished files appear, and what an earlier run left in their place vanish. Raises StorageError."""
        for kind in ("dropped", "failed", ""):
            if kind in self._writers:
                self._writers.pop(kind).publish()
            else:
                self._name(kind).unlink(missing_ok=True)
                self._name(kind).with_name(self._name(kind).name + ".partial").unlink(missing_ok=True)

    def _leave_out_the_rest(self) -> None:
        """What was begun beyond the target is in the journal, and counted, but in no file."""
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
