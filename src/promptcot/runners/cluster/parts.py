"""What a pass over the cluster leaves behind: parts, Parquet files with the outcome of each row; and finished calls.

Decides the columns, how an outcome is written down and read again, and that outcomes come out in the order of their
positions while only a few parts are open. A part is one block of rows; its counts stand in its first row. Rows whose
content has changed since are recognised by their id. The calls of a block are in a file of their own, which its worker
writes before it lets go of the block: then nothing that happens to the block later can cost them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from promptcot.records import Drop, Failed, Item, Outcome, Row
from promptcot.storage.counts import StageCounts
from promptcot.storage.json import dumps, loads
from promptcot.storage.remote import Folder
from promptcot.storage.rows import hash_bytes

ROWS = pa.schema([("id", pa.int64()), ("index", pa.int64()), ("row", pa.binary()), ("known", pa.binary())])
"""A row on its way to a worker; `known` are the finished calls about it, as lines of a journal."""

PARTS = pa.schema(
    [("id", pa.int64()), ("index", pa.int64()), ("kind", pa.int8()), ("result", pa.binary()), ("counts", pa.binary())]
)
_PENDING = ".pending.parquet"
"""What Ray Data adds to the name of a part while it is written."""
_OUT, _DROPPED, _FAILED = range(3)
_OUTCOMES = ["id", "index", "kind", "result"]

Result = Sequence[Row] | Drop | Failed


@dataclass
class Counts:
    """What a block of rows took: calls made now, calls that were known, tokens, and why something was asked again."""

    calls: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    asked_again: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, tally: StageCounts) -> Counts:
        return cls(tally.calls, tally.reused, tally.prompt_tokens, tally.completion_tokens, Counter(tally.asked_again))

    @classmethod
    def read(cls, content: bytes) -> Counts:
        found = loads(content)
        return cls(**{**found, "asked_again": Counter(found["asked_again"])})

    def dump(self) -> bytes:
        return dumps({**self.__dict__, "asked_again": dict(self.asked_again)})

    def add_to(self, tally: StageCounts) -> None:
        """Count it as asked now."""
        tally.calls += self.calls
        tally.reused += self.reused
        tally.count_tokens(self.prompt_tokens, self.completion_tokens)
        tally.asked_again += self.asked_again


def id_of(index: int, line: bytes) -> int:
    """What a row is known by in checkpoints and parts: 63 bits of its position and its content."""
    return hash_bytes(b"%d %b" % (index, line))


def pack(outcomes: Sequence[Outcome], ids: Sequence[int], counts: Counts) -> pa.Table:
    """The outcomes of a block as a part; not empty."""
    kinds, results = zip(*(_packed(outcome.result) for outcome in outcomes), strict=True)
    rest = [None] * (len(outcomes) - 1)
    columns = [ids, [outcome.item.index for outcome in outcomes], kinds, results]
    return pa.table([*columns, [counts.dump(), *rest]], schema=PARTS)


def _packed(result: Result) -> tuple[int, bytes]:
    if isinstance(result, Drop):
        return _DROPPED, dumps([result.reason, list(result.raw), result.finish_reason])
    if isinstance(result, Failed):
        return _FAILED, dumps([result.cause, result.message])
    return _OUT, dumps(list(result))


def _unpacked(kind: int, content: bytes) -> Result:
    found = loads(content)
    if kind == _DROPPED:
        reason, raw, finish_reason = found
        return Drop(reason, tuple(raw), finish_reason)
    if kind == _FAILED:
        return Failed(*found)
    rows: list[Row] = found
    return rows


class Done(NamedTuple):
    """The outcome of the row known by `id`, at `position`.

    They sort as they are to come out: of a row that failed first and was asked again, what came out is first.
    """

    position: int
    id: int
    kind: int
    content: bytes

    def outcome(self, item: Item) -> Outcome:
        return Outcome(item, _unpacked(self.kind, self.content))


class Parts:
    """The parts in the folder of a pass, and the checkpoints that tell which of them are whole."""

    def __init__(self, work: Folder) -> None:
        self.folder = work / "parts"
        self.checkpoint = work / "checkpoint"

    def names(self) -> list[str]:
        """The parts that are whole. One that was being written when the writer was lost is still pending."""
        pending = [name.removesuffix(_PENDING) for name in self.checkpoint.files(_PENDING)]
        return [name for name in self.folder.files(".parquet") if not name.startswith(tuple(pending))]

    def ids(self, names: Sequence[str]) -> NDArray[np.int64]:
        """What the rows of these parts are known by, sorted, 8 bytes each; those that failed are to be asked again."""
        tables = (self._read(name, ["id", "kind"]) for name in names)
        found = [table["id"].to_numpy()[table["kind"].to_numpy() != _FAILED] for table in tables]
        return np.sort(np.concatenate([np.empty(0, np.int64), *found]))

    def counts(self, names: Sequence[str]) -> Iterator[Counts]:
        """What each block of these parts took."""
        for name in names:
            yield from map(Counts.read, self._read(name, ["counts"])["counts"].drop_null().to_pylist())

    def in_order(self) -> Iterator[Done]:
        """All outcomes by ascending position. Parts are read when their first position is reached."""
        waiting = sorted((self._first(name), name) for name in self.names())
        waiting.reverse()
        heads: list[tuple[Done, int, Iterator[Done]]] = []
        opened = count()
        while waiting or heads:
            while waiting and (not heads or waiting[-1][0] <= heads[0][0].position):
                rows = self._rows(waiting.pop()[1])
                heappush(heads, (next(rows), next(opened), rows))
            done, number, rows = heads[0]
            yield done
            following = next(rows, None)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (following, number, rows))

    def _first(self, name: str) -> int:
        metadata = self._metadata(name)
        place = metadata.schema.to_arrow_schema().get_field_index("index")
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return min(int(group.column(place).statistics.min) for group in groups)

    def _metadata(self, name: str) -> Any:
        return parquet.read_metadata(f"{self.folder.path}/{name}", filesystem=self.folder.system)

    def _rows(self, name: str) -> Iterator[Done]:
        table = self._read(name, _OUTCOMES)
        for chunk in table.to_batches():
            ids, indices, kinds, results = (column.to_pylist() for column in chunk.columns)
            yield from map(Done, indices, ids, kinds, results)

    def _read(self, name: str, columns: list[str]) -> Any:
        return parquet.read_table(
            f"{self.folder.path}/{name}", columns=columns, filesystem=self.folder.system, partitioning=None
        )


@dataclass(frozen=True)
class Calls:
    """The finished calls of blocks, as lines of a journal: a file for each block and attempt at it."""

    folder: Folder

    def names(self) -> list[str]:
        return list(self.folder.files(".jsonl"))

    def read(self, name: str) -> bytes:
        return self.folder.read(name)

    def of_block(self, first: int) -> list[str]:
        """The files of the block whose first row is known by `first`."""
        names: list[str] = []
        while self.folder.has(name := f"{first:016x}-{len(names)}.jsonl"):
            names.append(name)
        return names

    def add(self, first: int, attempt: int, lines: Sequence[bytes]) -> None:
        """Keep the calls of an attempt, if it made any. Raises StorageError."""
        if lines:
            self.folder.write(f"{first:016x}-{attempt}.jsonl", b"".join(lines))
