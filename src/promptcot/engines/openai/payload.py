"""Parses the JSON that a server sends. Damaged JSON is a transient error.

Accepts what servers send in practice: a byte order mark, NaN among log-probabilities, half a surrogate pair. `replies`
and `refusals` interpret the JSON.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from promptcot.errors import TransientError

_SHOWN = 500
_LONGEST_NUMBER = 400  # digits; Python refuses to read some thousand of them


class Garbled(TransientError):
    """The response does not follow the protocol: HTML, truncated JSON, a stream that ends too early."""


def value_of(data: bytes) -> Any:
    """The JSON value in some bytes; NaN and infinity become None. Raises ValueError, also for too deep a nesting."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data, parse_constant=lambda _: None, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else None


def parse_json(data: bytes, content_type: str) -> dict[str, Any]:
    """The object that a server sent. Raises Garbled, with the cause `broken-off` for truncated JSON."""
    kind = content_type.partition(";")[0] or "no content type"
    cause = "garbled"
    try:
        value = value_of(data)
        if isinstance(value, dict):
            return value
    except ValueError:
        cause = "broken-off" if kind.endswith("json") else cause
    raise Garbled(f"the reply is not a JSON object ({kind}): {start_of(data)}", cause)


def start_of(data: bytes) -> str:
    """The beginning of a server's message, on one line."""
    text = " ".join(data[: 4 * _SHOWN].decode(errors="replace").split())
    return f"{text[:_SHOWN]} …" if len(text) > _SHOWN or len(data) > 4 * _SHOWN else text or "(nothing)"
