"""A runner that calls no model: it returns the outcomes that the shards of a run recorded for each row.

Rows of a stage are found by position in the files of the shards. After a user's own step, which may produce different
rows from all rows than from the rows of one shard, the calls are read from the joined journal instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from promptcot.core.shards import place_of, without_place
from promptcot.engines.protocol import Engine
from promptcot.errors import StageFault, UnfitRow
from promptcot.records import CONTENT_FILTER, UNANSWERED, Completion, Drop, Failed, Item, Outcome, Request, Retry, Row
from promptcot.runners.known import known
from promptcot.runners.streams import closing
from promptcot.stages import called
from promptcot.stages.protocol import Stage
from promptcot.storage.budget import Paid
from promptcot.storage.counts import StageCounts
from promptcot.storage.file_rows import FileRows
from promptcot.storage.journal import Journal
from promptcot.storage.rows import hash_id

NOT_ASKED = "not asked"
_WHY = "no shard processed this row, which was made from the rows of all shards"
_KINDS = ("dropped", "failed", "")
_ADDED = {"dropped": {"reason", "raw", "finish_reason"}, "failed": {"cause", "error"}}

Result = Sequence[Row] | Drop | Failed


@dataclass(frozen=True, slots=True)
class _Written:
    """A row of a shard's file. `kind` says which file."""

    kind: str
    row: Row

    def is_of(self, row: Row) -> bool:
        """Whether this is the recorded outcome of the row, which was dropped."""
        added = _ADDED.get(self.kind, set())
        return bool(added) and all(self.row.get(name) == value for name, value in row.items() if name not in added)

    def result(self, row: Row) -> Result:
        """The row that it describes, in the form in which it is written again."""
        if self.kind == "failed":
            return Failed(str(self.row["cause"]), str(self.row["error"]))
        said = {name: value for name, value in self.row.items() if name not in row and name not in _ADDED[self.kind]}
        return Drop(str(self.row["reason"]), self.row.get("raw", ()), self.row.get("finish_reason"), said)


class _Index:
    """An index of rows in several files by a number that each row has. Uses 32 bytes per row; rows stay on disk."""

    def __init__(self, files: Sequence[tuple[str, Path]], key: Callable[[Row], int]) -> None:
        self._kinds = [kind for kind, _ in files]
        self._files = [FileRows(path) for _, path in files]
        keys = [np.fromiter(map(key, file), np.int64) for file in self._files]
        self._keys = np.concatenate([*keys, np.empty(0, np.int64)])
        self._file = np.repeat(np.arange(len(keys), dtype=np.int32), [len(found) for found in keys])
        self._row = np.concatenate([*(np.arange(len(found)) for found in keys), np.empty(0, np.int64)])
        order = np.argsort(self._keys, kind="stable")
        self._keys, self._file, self._row = self._keys[order], self._file[order], self._row[order]

    def at(self, key: int) -> Iterator[_Written]:
        """The rows with this number, in the order of the files."""
        first, last = np.searchsorted(self._keys, [key, key + 1])
        for file, row in zip(self._file[first:last], self._row[first:last], strict=True):
            yield _Written(self._kinds[file], without_place(self._files[file][int(row)]))


@dataclass
class Said:
    """The outcomes that shards in `folders` recorded for one stage. `asked` are their summed counts; `paid` counts for
    the journal.

    `behind` a step of the user's own, the rows are not those of a shard.
    """

    stage: Stage
    model: str
    folders: Sequence[Path]
    asked: StageCounts
    paid: Mapping[str, Paid] | None = None
    behind: bool = False
    _rows: _Index | None = None
    _taken: dict[int, set[int]] = field(default_factory=dict)

    def result(self, item: Item, journal: Journal) -> Result:
        """The outcome of a row; a row whose reply makes the stage fail is dropped, as in a run."""
        if not self.behind:
            return self._written(item)
        try:
            requests = called.ask(self.stage, item.row)
        except UnfitRow as error:
            return Failed("unfit", str(error))
        except StageFault as fault:
            return called.unasked(fault)
        found = self._read_again(item.row, requests, journal)
        return self._failed(item.row, requests) if found is None else found

    def _written(self, item: Item) -> Result:
        """The outcome in the files. A match for one row is not reused for another row at the same position."""
        found = list(self._index(_KINDS, place_of).at(item.index))
        taken = self._taken.setdefault(item.index, set()) if len(found) > 1 else set()
        left = [place for place in range(len(found)) if place not in taken]
        if lost := [place for place in left if found[place].is_of(item.row)]:
            taken.add(lost[0])
            return found[lost[0]].result(item.row)
        matches = [place for place in left if not found[place].kind]
        name = item.row.get("id")
        matches = [place for place in matches if found[place].row.get("id") == name] or matches
        if self.asked.rows_written == self.asked.rows_out:  # each row that was processed gave one
            matches = matches[:1]
            if not matches:
                return Failed(NOT_ASKED, _WHY)
        taken.update(matches)
        return [found[place].row for place in matches]

    def _read_again(self, row: Row, requests: Sequence[Request], journal: Journal) -> Sequence[Row] | Drop | None:
        """The outcome from the journal; None if a required call is missing from it or was rejected."""
        replies = [self._reply(one, journal) for one in requests]
        unanswered = sum(reply.finish_reason == UNANSWERED for reply in replies)
        if unanswered and (unanswered == len(replies) or not called.takes_partial(self.stage)):
            return None
        try:
            read = called.read(self.stage, row, replies)
        except StageFault as fault:
            return called.left_out(fault, replies)
        return read.otherwise if isinstance(read, Retry) else read

    def _reply(self, request: Request, journal: Journal) -> Completion:
        found = known(journal, request, self.model)
        answered = isinstance(found, Completion) and found.finish_reason != CONTENT_FILTER
        return cast("Completion", found) if answered else Completion("", UNANSWERED)

    def _failed(self, row: Row, requests: Sequence[Request]) -> Failed:
        """The error of the same requests in a shard, where a step before may have given the row other fields."""
        for one in self._index(("failed",), _by_id).at(_by_id(row)):
            if called.ask(self.stage, one.row) == requests:
                return Failed(str(one.row["cause"]), str(one.row["error"]))
        return Failed(NOT_ASKED, _WHY)

    def _index(self, kinds: Sequence[str], key: Callable[[Row], int]) -> _Index:
        if self._rows is None:
            endings = {
                kind: f"{self.stage.name}.{kind}.jsonl" if kind else f"{self.stage.name}.jsonl" for kind in kinds
            }
            files = [(kind, folder / ending) for kind, ending in endings.items() for folder in self.folders]
            self._rows = _Index(files, key)
        return self._rows


def _by_id(row: Row) -> int:
    return hash_id(str(row.get("id")))


@dataclass
class Replay:
    """Returns the recorded outcome of the shards for each row; `said` is keyed by stage name. See `Runner`."""

    said: Mapping[str, Said]

    async def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, counts: StageCounts
    ) -> AsyncIterator[Outcome]:
        """One outcome per item, in their order; no engine is called."""
        said: Any = self.said[stage.name]
        counts.add_asked(said.asked)
        counts.paid = counts.paid if said.paid is None else dict(said.paid)
        async with closing(items) as stream:
            async for item in stream:
                counts.rows_in += 1
                yield Outcome(item, said.result(item, journal))
