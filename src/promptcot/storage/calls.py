"""The lines of a journal: each is a finished call with a checksum.

Decides the format of a line, when a line counts as damaged, and which recorded reply fits a request. `journal` handles
files, locks and the index.

Lines of earlier versions have no checksum. In a file that was continued they come first, so a line without a checksum
after a line with one is damaged. Lines without a checksum must have exactly the fields that those versions wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import orjson

from promptcot.errors import InputError
from promptcot.records import INTERRUPTED, Completion, Request
from promptcot.storage.checked import intact, sealed
from promptcot.storage.json import loads

_PREFIX = b'{"key":"'
_HEAD = re.compile(rb'\{"key":"[0-9a-f]{32}",')
_KEY = slice(len(_PREFIX), len(_PREFIX) + 32)
_FIELDS = ("key", "model", "max_tokens", "finish_reason", "prompt_tokens", "completion_tokens", "cost", "text")
_TRACES = (_PREFIX, b',"finish_reason":', b',"completion_tokens":', b',"crc32":')
"""A finished call at the end of a damaged line."""
_ADDED = {"model", "cost"}
"""Fields that the first journals did not have."""

Found = Completion | Literal["truncated at another limit", "longer than the limit", "interrupted"] | None
"""A reply; the reason why the recorded one cannot be used for the request; or None."""


class Calls:
    """The finished calls in a file, each with the offset of its line. `damaged` counts the skipped lines and is
    complete when the iteration ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Raises InputError if no line was ever a finished call."""
        self.damaged = offset = 0
        old, known = True, False  # `old`: a line without a checksum may be valid; `known`: the file has calls
        with self._path.open("rb") as lines:
            for line in lines:
                call = _call(line, old)
                offset += len(line)
                if call:
                    old = old and intact(call) is None
                    yield call, offset - len(call)
                known = known or any(trace in line for trace in _TRACES)
                self.damaged += len(call) < len(line) and bool(line.strip())
        if self.damaged and not known:
            raise InputError(
                f"{self._path}: not a journal: no line of it is a finished call; move the file away to start over"
            )


def _call(line: bytes, old: bool) -> bytes:
    """The finished call of a line, or the one at its end if a line break was lost; empty if none is complete. With
    `old`, it need not have a checksum.
    """
    if _is_whole(line, old):
        return line
    start = line.rfind(_PREFIX)
    return line[start:] if start > 0 and _is_whole(line[start:], old) else b""


def _is_whole(line: bytes, old: bool) -> bool:
    if not _HEAD.match(line):
        return False
    intact_line = intact(line)
    return old and _is_old(line) if intact_line is None else intact_line


def _is_old(line: bytes) -> bool:
    """Whether a line without a checksum has exactly the fields that earlier versions wrote."""
    try:
        record = loads(line)
    except ValueError:
        return False
    names = list(record)
    if names != [name for name in _FIELDS if name in names or name not in _ADDED]:
        return False
    counts = (record["prompt_tokens"], record["completion_tokens"])
    return (
        isinstance(record["text"], str)
        and isinstance(record["max_tokens"], int)
        and isinstance(record["finish_reason"], str | None)
        and all(isinstance(count, int | None) for count in counts)
        and isinstance(record.get("model", ""), str)
        and isinstance(record.get("cost"), int | float | None)
    )


def line_of(key: str, request: Request, reply: Completion, *, model: str = "", cost: float | None = None) -> bytes:
    """The journal line of a finished call."""
    record = {
        "key": key,
        "model": model,
        "max_tokens": request.sampling.max_tokens,
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "cost": cost,
        "text": reply.text,
    }
    try:
        return sealed(orjson.dumps(record))
    except TypeError:  # half a surrogate pair; lines have no spaces, so that their beginning is always the same
        return sealed(json.dumps(record, separators=(",", ":")).encode())


def key_of(line: bytes) -> str:
    """The key of the call in a line."""
    return line[_KEY].decode()


def fitting(lines: Iterable[bytes], request: Request) -> Found:
    """The reply among the lines of a call, the latest first, that fits the request's `max_tokens`; or why none does."""
    misfit: Found = None
    for line in lines:
        reply = _fit(loads(line), request)
        if isinstance(reply, Completion):
            return reply
        misfit = misfit or reply
    return misfit


def _fit(record: dict[str, object], request: Request) -> Found:
    """The recorded reply, if the same call with this request's `max_tokens` would have given it.

    A reply recorded under the same limit always fits, whatever token count the server reported.
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
