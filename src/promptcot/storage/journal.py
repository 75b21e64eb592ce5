"""The append-only record of finished calls, which makes a stage resumable.

One file, `calls.jsonl`, has one line per finished call. A line is written as soon as the reply arrives, so that
`kill -9` loses only calls in flight, and lines are synced to disk in groups, so that a power cut loses at most the last
group. The process that opens the journal holds a lock. A torn last line is cut off. A damaged line is skipped and
counted; its call is neither found nor counted as paid, because its cost is unknown. Calls of earlier processes are
found by key in an index of 16 bytes a call, and replies stay on disk until they are needed. If a key occurs twice, the
latest reply that fits counts. `calls` decides the format of a line and when it is damaged.
"""

from __future__ import annotations

import os
import re
import stat
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from promptcot.errors import StorageError
from promptcot.records import Completion, Request
from promptcot.storage.atomic import locked, storing
from promptcot.storage.budget import Paid
from promptcot.storage.calls import Calls, Found, fitting, key_of, line_of
from promptcot.storage.checked import body, intact, sealed
from promptcot.storage.json import loads

_PAID = re.compile(
    rb'(?:"model":"(?P<model>(?:[^"\\]|\\.)*)".*?)?"prompt_tokens":(?P<prompt>\d+|null)'
    rb',"completion_tokens":(?P<completion>\d+|null)(?:,"cost":(?P<cost>[-+.\de]+|null))?,"text":'
)
_READ_AT_ONCE = 1 << 13
_ABSORBED_AT_ONCE = 256


class Journal:
    """The finished calls of one stage, in the folder `directory`. Use as a context manager; not thread-safe.

    `paid` has the usage and cost of all calls, by model; `damaged` is the number of skipped lines.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / "calls.jsonl"
        self._stack = ExitStack()
        self._handle = -1
        self._size = 0
        self._dirty = False
        self._keys: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._offsets: NDArray[np.int64] = np.empty(0, np.int64)
        self.paid: dict[str, Paid] = {}
        self.damaged = 0

    def __enter__(self) -> Self:
        self._stack.enter_context(locked(self.directory / "lock"))
        try:
            with storing(self._path):
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._stack.callback(os.close, self._handle)
            if not stat.S_ISREG(os.fstat(self._handle).st_mode):  # a pipe or a device may never end
                raise StorageError(f"{self._path}: not a regular file; move it away, and run the same command again")
            self._size = self._repair()
            self._keys, self._offsets = self._index()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.sync()

    def __len__(self) -> int:
        """The number of finished calls of earlier processes."""
        return len(self._keys)

    def find(self, key: str, request: Request) -> Found:
        """An earlier process's reply to this call, if it fits the request's `max_tokens`."""
        return fitting(self.lines(key), request) if len(self._keys) else None

    def append(
        self, key: str, request: Request, reply: Completion, *, model: str = "", cost: float | None = None
    ) -> None:
        """Record a finished call; it is in the file on return. Raises StorageError and leaves the file intact."""
        self._write(line_of(key, request, reply, model=model, cost=cost))
        self.paid.setdefault(model, Paid()).add(reply.prompt_tokens, reply.completion_tokens, cost)

    def absorb_file(self, path: Path) -> int:
        """Add the finished calls of another journal's file, in batches, and return the number of its damaged lines.
        Calls that are already here stay unchanged. Raises StorageError, and InputError if it is not a journal.
        """
        theirs = Calls(path)
        with storing(path):
            lines = (line for line, _ in theirs)
            while some := list(islice(lines, _ABSORBED_AT_ONCE)):
                self._absorb(line for line in some if not self._has(line))
        return theirs.damaged

    def _absorb(self, lines: Iterable[bytes]) -> None:
        """Append lines. Lines of earlier versions get a checksum, because they follow lines that have one."""
        new = [line if intact(line) else sealed(line) for line in lines]
        for line in new:
            self._count(line)
        self._write(b"".join(new))

    def lines(self, key: str) -> Iterator[bytes]:
        """The lines of earlier processes for a call, the latest first."""
        short = np.uint64(int(key[:16], 16))
        for place in range(int(np.searchsorted(self._keys, short)), len(self._keys)):
            if self._keys[place] != short:
                return
            line = self._line(int(self._offsets[place]))
            if key_of(line) == key:
                yield line

    def _has(self, line: bytes) -> bool:
        return bool(len(self._keys)) and body(line) in map(body, self.lines(key_of(line)))

    def _write(self, lines: bytes) -> None:
        try:
            with storing(self._path):
                written = os.write(self._handle, lines)
                while written < len(lines):
                    written += os.write(self._handle, lines[written:])
        except StorageError:
            with suppress(OSError):  # if this fails, the next process cuts off the torn line
                os.ftruncate(self._handle, self._size)
            raise
        self._size += len(lines)
        self._dirty = True

    def sync(self) -> None:
        """Sync appended lines to disk. Raises StorageError. May run in another thread."""
        if not self._dirty:
            return
        self._dirty = False
        with storing(self._path):
            os.fsync(self._handle)

    def _repair(self) -> int:
        """Cut off a torn last line, or add its line break if only that is missing. Returns the new size."""
        size = os.fstat(self._handle).st_size
        end = size
        while end > 0:
            start = max(0, end - _READ_AT_ONCE)
            chunk = os.pread(self._handle, end - start, start)
            newline = chunk.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size and intact(os.pread(self._handle, size - end, end)):
            return size + os.write(self._handle, b"\n")
        if end != size:
            os.ftruncate(self._handle, end)
        return end

    def _index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Keys (their first 8 bytes, sorted) and the offset of the last line of each."""
        short, begins = array("Q"), array("q")
        calls = Calls(self._path)
        for line, offset in calls:
            short.append(int(key_of(line)[:16], 16))
            begins.append(offset)
            self._count(line)
        self.damaged = calls.damaged
        keys, offsets = np.array(short, np.uint64), np.array(begins, np.int64)
        order = np.lexsort((-offsets, keys))
        return keys[order], offsets[order]

    def _count(self, line: bytes) -> None:
        """Add an earlier call to the paid calls."""
        if match := _PAID.search(line):
            prompt, completion, cost = map(_number, match.group("prompt", "completion", "cost"))
            self.paid.setdefault(_name(match["model"] or b""), Paid()).add(prompt, completion, cost)

    def _line(self, offset: int) -> bytes:
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(b"\n")):
            chunk = os.pread(self._handle, _READ_AT_ONCE, offset)
            if not chunk:
                raise StorageError(f"{self._path}: the file was truncated while in use; run the same command again")
            end = chunk.find(b"\n")
            parts.append(chunk if end < 0 else chunk[: end + 1])
            offset += len(chunk)
        return b"".join(parts)


def _number(value: bytes | None) -> Any:
    return None if value is None else orjson.loads(value)


@lru_cache
def _name(value: bytes) -> str:
    """A model's name from its quoted JSON form."""
    return str(loads(b'"%s"' % value))
