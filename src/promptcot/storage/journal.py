"""The append-only record of finished calls, which makes a stage resumable.

One file, `calls.jsonl`, one line per finished call, written the moment the reply arrives (so that `kill -9` loses at
most calls in flight) and forced to disk in groups by `sync` (so that a power cut loses at most the last group). Whoever
opens it holds a lock; a torn last line is cut off, a damaged one inside is passed over. What earlier processes finished
is found by key in an index of 16 bytes a call; replies stay on disk until they are asked for. When a key occurs twice
the latest reply that fits counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from promptcot.errors import InputError, StorageError
from promptcot.records import INTERRUPTED, Completion, Request
from promptcot.storage.atomic import locked, storing
from promptcot.storage.budget import Paid
from promptcot.storage.json import dumps, loads

_PREFIX = b'{"key":"'
_PAID = re.compile(
    rb'(?:"model":"(?P<model>(?:[^"\\]|\\.)*)".*?)?"prompt_tokens":(?P<prompt>\d+|null)'
    rb',"completion_tokens":(?P<completion>\d+|null)(?:,"cost":(?P<cost>[-+.\de]+|null))?,"text":'
)
_LINE = re.compile(rb'\{"key":"[0-9a-f]{32}",.*\}\n')
_KEY = slice(len(_PREFIX), len(_PREFIX) + 32)
_READ_AT_ONCE = 1 << 13
_ABSORBED_AT_ONCE = 1 << 20

Found = Completion | Literal["truncated at another limit", "longer than the limit", "interrupted"] | None
"""A reply; why the one that was found cannot be used for the request; or nothing."""


class Journal:
    """The finished calls of one stage, in the folder `directory`. Use as a context manager; not thread-safe.

    `paid` says what all of them used and cost, by model.
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

    def __enter__(self) -> Self:
        self._stack.enter_context(locked(self.directory / "lock"))
        try:
            with storing(self._path):
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._stack.callback(os.close, self._handle)
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
        """How many finished calls earlier processes left."""
        return len(self._keys)

    def find(self, key: str, request: Request) -> Found:
        """The reply that an earlier process got to this call, if it fits the request's `max_tokens`."""
        return fitting(self.lines(key), request) if len(self._keys) else None

    def append(
        self, key: str, request: Request, reply: Completion, *, model: str = "", cost: float | None = None
    ) -> None:
        """Record a finished call; it is in the file when this returns. Raises StorageError, the file still whole."""
        self._write(line_of(key, request, reply, model=model, cost=cost))
        self.paid.setdefault(model, Paid()).add(reply.prompt_tokens, reply.completion_tokens, cost)

    def absorb_file(self, path: Path) -> None:
        """Take in the finished calls of another journal's file, some at a time. Raises StorageError."""
        with storing(path), path.open("rb") as lines:
            while some := lines.readlines(_ABSORBED_AT_ONCE):
                self._absorb(b"".join(line for line in some if _LINE.fullmatch(line)))

    def _absorb(self, lines: bytes) -> None:
        """Record finished calls that were written down elsewhere, whole lines of `line_of`; those that it has stay.

        Raises StorageError.
        """
        new = [line for line in lines.splitlines(keepends=True) if not self._has(line)]
        for line in new:
            self._count(line, 0)
        self._write(b"".join(new))

    def lines(self, key: str) -> Iterator[bytes]:
        """What earlier processes wrote down about a call, the latest first."""
        short = np.uint64(int(key[:16], 16))
        for place in range(int(np.searchsorted(self._keys, short)), len(self._keys)):
            if self._keys[place] != short:
                return
            line = self._line(int(self._offsets[place]))
            if line[_KEY] == key.encode():
                yield line

    def _has(self, line: bytes) -> bool:
        return bool(len(self._keys)) and line in self.lines(key_of(line))

    def _write(self, lines: bytes) -> None:
        try:
            with storing(self._path):
                written = os.write(self._handle, lines)
                while written < len(lines):
                    written += os.write(self._handle, lines[written:])
        except StorageError:
            with suppress(OSError):  # what cannot be cut off now is cut off as a torn tail next time
                os.ftruncate(self._handle, self._size)
            raise
        self._size += len(lines)
        self._dirty = True

    def sync(self) -> None:
        """Force what was appended to disk. Raises StorageError. May run in another thread."""
        if not self._dirty:
            return
        self._dirty = False
        with storing(self._path):
            os.fsync(self._handle)

    def _repair(self) -> int:
        """Cut off a torn last line; the size that remains."""
        size = os.fstat(self._handle).st_size
        end = size
        while end > 0:
            start = max(0, end - _READ_AT_ONCE)
            chunk = os.pread(self._handle, end - start, start)
            found = chunk.rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end != size:
            os.ftruncate(self._handle, end)
        return end

    def _index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Keys (their first 8 bytes, sorted) and where the last line of each begins."""
        keys = np.fromiter((int(line[_KEY][:16], 16) for line, _ in self._lines()), np.uint64)
        offsets = np.fromiter((self._count(line, offset) for line, offset in self._lines()), np.int64, len(keys))
        order = np.lexsort((-offsets, keys))
        return keys[order], offsets[order]

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        offset = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if _LINE.match(line):
                    yield line, offset
                elif number == 1:
                    raise InputError(f"{self._path}, line 1: this is no journal; move the file away to start over")
                offset += len(line)  # a hole that a power cut left costs its own call, no other

    def _count(self, line: bytes, offset: int) -> int:
        """Add an earlier call to what was paid; its offset."""
        if found := _PAID.search(line):
            prompt, completion, cost = map(_number, found.group("prompt", "completion", "cost"))
            self.paid.setdefault(_name(found["model"] or b""), Paid()).add(prompt, completion, cost)
        return offset

    def _line(self, offset: int) -> bytes:
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(b"\n")):
            chunk = os.pread(self._handle, _READ_AT_ONCE, offset)
            if not chunk:
                raise StorageError(f"{self._path}: it was cut while it was in use; run the same command again")
            end = chunk.find(b"\n")
            parts.append(chunk if end < 0 else chunk[: end + 1])
            offset += len(chunk)
        return b"".join(parts)


def line_of(key: str, request: Request, reply: Completion, *, model: str = "", cost: float | None = None) -> bytes:
    """A finished call as it stands in a journal."""
    return dumps(
        {
            "key": key,
            "model": model,
            "max_tokens": request.sampling.max_tokens,
            "finish_reason": reply.finish_reason,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "cost": cost,
            "text": reply.text,
        }
    )


def key_of(line: bytes) -> str:
    """What the call of such a line is known by."""
    return line[_KEY].decode()


def fitting(lines: Iterable[bytes], request: Request) -> Found:
    """Of the lines about a call, the latest first, the reply that fits the request's `max_tokens`; or why none does."""
    misfit: Found = None
    for line in lines:
        found = _fit(loads(line), request)
        if isinstance(found, Completion):
            return found
        misfit = misfit or found
    return misfit


def _fit(record: dict[str, object], request: Request) -> Found:
    """Whether a recorded reply is what the same call with this request's `max_tokens` would have given.

    One that was recorded under the same limit is, however many tokens the server says that it has.
    """
    reply = Completion(
        text=str(record["text"]),
        finish_reason=record["finish_reason"],  # type: ignore[arg-type]  # older journals have the server's own word
        prompt_tokens=_count(record["prompt_tokens"]),
        completion_tokens=_count(record["completion_tokens"]),
    )
    limit = request.sampling.max_tokens
    if reply.finish_reason == INTERRUPTED:
        return "interrupted"
    if record["max_tokens"] == limit:
        return reply
    if reply.truncated:
        return "truncated at another limit"
    if reply.completion_tokens is not None and reply.completion_tokens > limit:
        return "longer than the limit"
    return reply


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: bytes | None) -> Any:
    return None if value is None else orjson.loads(value)


@lru_cache
def _name(value: bytes) -> str:
    """A model's name as it stands between quotes."""
    return str(loads(b'"%s"' % value))
