"""Parses server-sent events: bytes to JSON values. Pure; does not interpret the values.

Follows the standard (https://html.spec.whatwg.org/multipage/server-sent-events.html): lines end with LF, CRLF or CR,
and several `data` lines of one event form one value. Some servers deviate, so a `data` line that is a complete JSON
value is an event even without the empty line after it, and so is the last line of a stream that ends without one.
llama.cpp has sent `error:` where others send `data:`.
"""

from __future__ import annotations

import re
from typing import Any

from promptcot.engines.openai.payload import Garbled, value_of

_LINE_END = re.compile(rb"\r\n|\n|\r")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b"error:", b":")


def begins_stream(head: bytes) -> bool:
    """Whether a body with this beginning is a stream of events."""
    return head.startswith(_FIELDS)


def may_begin_stream(head: bytes) -> bool:
    """Whether it may still turn out to be one when more bytes arrive."""
    return any(field.startswith(head) for field in _FIELDS)


class Events:
    """A stream of events, fed with bytes as they arrive. `done` once the server has sent `[DONE]`."""

    def __init__(self) -> None:
        self.done = False
        self._rest: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[Any]:
        """The values of the events that these bytes complete. Raises Garbled."""
        if b"\n" not in piece and b"\r" not in piece and self._rest and not self._rest[-1].endswith(b"\r"):
            self._rest.append(piece)
            return []
        text = b"".join([*self._rest, piece])
        held = b"\r" if text.endswith(b"\r") else b""  # may be half of a CRLF
        text = text[: len(text) - len(held)]
        *lines, rest = _LINE_END.split(text) if b"\r" in text else text.split(b"\n")
        self._rest = [rest + held]
        return self._read(lines)

    def end(self) -> list[Any]:
        """The values of the rest, after the last bytes. Raises Garbled."""
        lines = _LINE_END.split(b"".join(self._rest))
        self._rest = []
        return self._read([*lines, b""])

    def _read(self, lines: list[bytes]) -> list[Any]:
        values: list[Any] = []
        for line in lines:
            if self.done:
                break
            if not line:
                values += self._pending()
            elif line.startswith(b"data:"):
                values += self._datum(line[5:].strip())
            elif line.startswith(b"error:"):
                values.append({"error": _value(line[6:].strip())})
        return values

    def _datum(self, data: bytes) -> list[Any]:
        if data == b"[DONE]":
            found = self._pending()
            self.done = True
            return found
        if not self._data:
            try:
                return [value_of(data)] if data else []
            except ValueError:
                pass
        self._data.append(data)
        return []

    def _pending(self) -> list[Any]:
        """The value of an event whose data came in several lines."""
        if not self._data:
            return []
        data, self._data = b"\n".join(self._data), []
        return [_value(data)]


def _value(data: bytes) -> Any:
    try:
        return value_of(data)
    except ValueError as error:
        raise Garbled(f"the stream contains invalid JSON: {data[:200]!r}", "broken-off") from error
