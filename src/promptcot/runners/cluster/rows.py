"""Rows on their way to the cluster: written down block by block, so that each task reads exactly one block.

Decides how blocks lie in a file, how large they are, how Ray Data is told about them, and that rows which an earlier
pass has done are left out. A file is needed because a block that is lost must be readable again. Ray Data's own filter
for done rows would do the same in an actor that takes a CPU, and reads the checkpoints with dozens of others: half a
minute for a few rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from promptcot.errors import StorageError
from promptcot.records import Item
from promptcot.runners.cluster.parts import ROWS, id_of
from promptcot.storage.json import dumps
from promptcot.storage.remote import Folder

_NAME = "rows.arrow"
_SHARES = 8


@dataclass(frozen=True)
class Block:
    """Where a block of rows lies in the file, in bytes."""

    offset: int
    length: int
    rows: int

    def __add__(self, following: Block) -> Block:
        """Both as one; they lie side by side."""
        return Block(self.offset, self.length + following.length, self.rows + following.rows)


def together(blocks: Sequence[Block], workers: int, most: int) -> list[Block]:
    """The same rows in fewer blocks, of at most `most` of these: large ones first, small ones at the end.

    A block costs Ray some 60 ms of CPU, where rows are quick more than they do; but with few blocks workers would not
    end together. So each block is a share of what is left (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """
    found, place = [], 0
    while place < len(blocks):
        share = max(1, min(most, (len(blocks) - place) // (workers * _SHARES)))
        found.append(reduce(Block.__add__, blocks[place : place + share]))
        place += share
    return found


class Spool:
    """Writes rows into blocks of `size`, but for those whose id is in `done`, which is sorted.

    `known` gives the finished calls about a row, as lines of a journal.
    """

    def __init__(self, folder: Folder, size: int, done: NDArray[np.int64], known: Callable[[Item], bytes]) -> None:
        self._folder = folder
        self._size = size
        self._done = done
        self._known = known
        self._waiting: list[tuple[int, int, bytes, bytes]] = []
        self.blocks: list[Block] = []
        try:
            self._file = folder.system.open_output_stream(f"{folder.path}/{_NAME}")
        except OSError as error:
            raise StorageError(f"{folder.path}/{_NAME}: cannot be written ({error})") from error

    def add(self, item: Item) -> None:
        """Raises StorageError."""
        line = dumps(item.row)
        name = id_of(item.index, line)
        if len(self._done) and self._is_done(name):
            return
        self._waiting.append((name, item.index, line, self._known(item)))
        if len(self._waiting) == self._size:
            self._write()

    def close(self) -> None:
        """Raises StorageError."""
        if self._waiting:
            self._write()
        self._file.close()

    def source(self, blocks: Sequence[Block]) -> Datasource:
        """These blocks, for Ray Data."""
        return _Blocks(self._folder, blocks)

    def _is_done(self, name: int) -> bool:
        place = int(np.searchsorted(self._done, name))
        return place < len(self._done) and bool(self._done[place] == name)

    def _write(self) -> None:
        table = pa.table(list(zip(*self._waiting, strict=True)), schema=ROWS)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, ROWS, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
            stream.write_table(table)
        content = sink.getvalue()
        offset = self.blocks[-1].offset + self.blocks[-1].length if self.blocks else 0
        try:
            self._file.write(content)
        except OSError as error:
            raise StorageError(f"{self._folder.path}/{_NAME}: cannot be written ({error})") from error
        self.blocks.append(Block(offset, content.size, len(self._waiting)))
        self._waiting = []


class _Blocks(Datasource):  # type: ignore[misc]
    """One read task for each block."""

    def __init__(self, folder: Folder, blocks: Sequence[Block]) -> None:
        super().__init__()
        self._folder = folder
        self._blocks = blocks

    def get_name(self) -> str:
        return "Rows"

    def estimate_inmemory_data_size(self) -> int:
        return sum(block.length for block in self._blocks)

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        return [
            ReadTask(
                partial(_read, self._folder, block),
                BlockMetadata(num_rows=block.rows, size_bytes=block.length, input_files=None, exec_stats=None),
            )
            for block in self._blocks
        ]


def _read(folder: Folder, block: Block) -> Iterable[pa.Table]:
    with folder.system.open_input_file(f"{folder.path}/{_NAME}") as file:
        content = file.read_at(block.length, block.offset)
    pieces, reader = [], pa.BufferReader(content)
    while reader.tell() < block.length:
        pieces.append(pa.ipc.open_stream(reader).read_all())
    return [pa.concat_tables(pieces)]
