"""The step `encode`: a vector for each distinct concept, in the order of the concepts file.

Decides how concepts are sent to the engine in batches, and what is reused after an interruption: a batch is done when
the vectors of all its concepts are in the model's file in `X.journal/` beside the output `X`. A batch with missing
vectors is embedded again as a whole, so that the result does not depend on interruptions. `storage.embeddings` decides
the output format; the caller shows progress.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.protocol import Engine
from promptcot.errors import EngineUnusable, InputError
from promptcot.storage.atomic import locked, storing, sync
from promptcot.storage.counts import StageCounts
from promptcot.storage.embeddings import Matrix, check_output, to_float16, write_embeddings
from promptcot.storage.paths import beside

BATCH_SIZE = 512
_KEY_BYTES = 16


async def encode(
    concepts: Iterable[str],
    engine: Engine,
    output_path: str | Path,
    batch_size: int = BATCH_SIZE,
    counts: StageCounts | None = None,
) -> None:
    """Write embeddings of the distinct `concepts` to `output_path`, in batches of `batch_size`.

    `counts`, if given, counts concepts as rows and batches as calls. Vectors that an earlier, interrupted run finished
    with the same model are reused. Raises InputError without concepts, LockedError when another process encodes to the
    same output, StorageError, and the errors of the engine; finished vectors are kept in each case.
    """
    names = list(dict.fromkeys(name.strip() for name in concepts))
    if not names or "" in names:
        raise InputError("encode: there are no concepts" if not names else "encode: a concept is empty")
    target = check_output(output_path)
    counts = counts or StageCounts("encode")
    counts.rows_in = len(names)
    with Vectors(_journal(target), engine.model) as vectors:
        keys = np.array([_key(name) for name in names], f"S{_KEY_BYTES}")
        for first in range(0, len(names), batch_size):
            chunk = slice(first, first + batch_size)
            await _embed(names[chunk], keys[chunk], engine, vectors, counts)
            counts.rows_out += len(names[chunk])
        write_embeddings(target, names, vectors.dimensions, vectors.blocks(keys, batch_size))
    counts.rows_written = len(names)


async def _embed(
    names: Sequence[str], keys: NDArray[np.bytes_], engine: Engine, vectors: Vectors, counts: StageCounts
) -> None:
    """Make sure that the journal holds the vectors of a batch."""
    if vectors.hold(keys):
        counts.reused += 1
        return
    found = await engine.embed(names)
    if not np.isfinite(found).all():
        bad = names[int((~np.isfinite(found)).any(axis=1).argmax())]
        raise EngineUnusable(f"the embedding of {bad!r} has values that are not finite; try another --dtype")
    vectors.append(keys, to_float16(found))
    counts.calls += 1


def _journal(target: Path) -> Path:
    if target.name.endswith(".safetensors"):
        return target.with_suffix(".journal")
    return beside(target, "journal")


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_KEY_BYTES).digest()


class Vectors:
    """The vectors of one model so far, in an append-only file of fixed-size records. Use as a context manager.

    A record is the hash of a text, its float16 vector, and a checksum; the file starts with the number of dimensions. A
    torn last record is cut off, damaged records are skipped. Vectors stay on disk; memory holds 24 bytes a text.
    """

    def __init__(self, directory: Path, model: str) -> None:
        self._directory = directory
        self._path = directory / f"{hashlib.blake2b(model.encode(), digest_size=8).hexdigest()}.vectors"
        self._stack = ExitStack()
        self._sorted: NDArray[np.bytes_] = np.empty(0, f"S{_KEY_BYTES}")
        self._order: NDArray[np.int64] = np.empty(0, np.int64)
        self._damaged: NDArray[np.int64] = np.empty(0, np.int64)
        self.dimensions = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(locked(self._directory / "lock"))
        try:
            with storing(self._path):
                self._repair()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def hold(self, keys: NDArray[np.bytes_]) -> bool:
        """Whether all of these vectors are in the file."""
        places = np.searchsorted(self._sorted, keys)
        return bool(len(self._sorted)) and bool((self._sorted[places.clip(max=len(self._sorted) - 1)] == keys).all())

    def append(self, keys: NDArray[np.bytes_], vectors: NDArray[np.float16]) -> None:
        """Add the vectors of some texts; they are on disk when this returns. Raises StorageError, EngineUnusable."""
        if self.dimensions not in (0, vectors.shape[1]):
            raise EngineUnusable(
                f"{self._path}: a vector has {vectors.shape[1]} dimensions, but those before have {self.dimensions}"
            )
        with storing(self._path), self._path.open("ab") as file:
            if not self.dimensions:
                self.dimensions = vectors.shape[1]
                file.write(self.dimensions.to_bytes(8, "little"))
            records = np.empty(len(keys), self._record)
            records["key"], records["vector"] = keys, vectors
            records["sum"] = [_sum(record) for record in records]
            file.write(records.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def blocks(self, keys: NDArray[np.bytes_], rows: int) -> Iterator[Matrix]:
        """The vectors of these texts, in order, `rows` at a time. All of them must be there."""
        self._index()
        records = self._records()
        for first in range(0, len(keys), rows):
            places = self._order[np.searchsorted(self._sorted, keys[first : first + rows])]
            yield records["vector"][places]

    @property
    def _record(self) -> np.dtype[Any]:
        vector = ("vector", "<f2", (self.dimensions,))
        return np.dtype([("key", f"S{_KEY_BYTES}"), vector, ("sum", "<u4")])

    def _records(self) -> NDArray[Any]:
        if not self.dimensions or self._path.stat().st_size <= 8:
            return np.empty(0, self._record)
        return np.memmap(self._path, self._record, "r", 8)

    def _repair(self) -> None:
        """Read the file's header, cut off an incomplete record, and index the texts. If no record is valid, the header
        may be damaged, and the file is started again.
        """
        size = self._path.stat().st_size if self._path.exists() else 0
        if size >= 8:
            with self._path.open("rb") as file:
                self.dimensions = int.from_bytes(file.read(8), "little")
        if not self.dimensions or 2 * self.dimensions >= size:
            self._begin_anew()
            return
        records = (size - 8) // self._record.itemsize
        os.truncate(self._path, 8 + records * self._record.itemsize)
        wrong = (place for place, record in enumerate(self._records()) if record["sum"] != _sum(record))
        self._damaged = np.fromiter(wrong, np.int64)
        if len(self._damaged) == records:
            self._begin_anew()
            return
        sync(self._path)
        self._index()

    def _begin_anew(self) -> None:
        self.dimensions, self._damaged = 0, np.empty(0, np.int64)
        self._path.unlink(missing_ok=True)

    def _index(self) -> None:
        """Index the records by text; if a text occurs twice, the last record counts."""
        keys = np.array(self._records()["key"])
        order = np.lexsort((-np.arange(len(keys)), keys))
        self._order = order[~np.isin(order, self._damaged)]
        self._sorted = keys[self._order]


def _sum(record: np.void) -> int:
    return zlib.crc32(record["vector"].tobytes(), zlib.crc32(record["key"]))
