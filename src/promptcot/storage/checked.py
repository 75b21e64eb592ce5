"""Lines and small files of JSON that can tell whether they are still what was written.

Decides what the checksum is: one more field at the end, `crc32`, over the bytes of a line before it, or over the other
fields of a file. It is a number and no text, so that no single cut can make a line without a checksum out of one that
has one, unless it takes the checksum and nothing else. What a reader does about damage is left to the reader.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptcot.redaction import redacted_in
from promptcot.storage.atomic import write_json
from promptcot.storage.json import dumps, loads

FIELD = "crc32"
_MARK = b',"crc32":'


def sealed(line: bytes) -> bytes:
    """A line that `dumps` made of an object with at least one field, with its checksum."""
    body = line.rstrip()[:-1]
    return b"%s%s%d}\n" % (body, _MARK, zlib.crc32(body))


def intact(line: bytes) -> bool | None:
    """Whether a line is what `sealed` gave; None where it has no checksum. Line ends may be `\\r\\n`."""
    end = line.rfind(_MARK)
    if end < 0:
        return None
    return line[end:].rstrip(b"\r\n") == b"%s%d}" % (_MARK, zlib.crc32(line[:end]))


def body(line: bytes) -> bytes:
    """A line without its checksum, its closing brace and its end: the same for one that has a checksum and one that
    has none.
    """
    end = line.rfind(_MARK)
    return line[:end] if end >= 0 else line.rstrip()[:-1]


def record_of(line: bytes) -> dict[str, Any] | None:
    """The fields of a sealed line, without the checksum; None where it is damaged, or has none."""
    if not intact(line):
        return None
    found = loads(line)
    del found[FIELD]
    return dict(found)


def write_document(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a JSON object whole, without secrets and with a checksum of what is left. Raises StorageError."""
    written = redacted_in(fields)
    write_json(path, {**written, FIELD: zlib.crc32(dumps(written))})


def read_document(path: Path, *, old: bool = True) -> dict[str, Any] | None:
    """The fields of such a file; None where there is none, or it is damaged.

    One without a checksum was written by an earlier version, and may be anything that is a JSON object; it counts
    where `old` ones do.
    """
    try:
        found = loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    known = found.pop(FIELD, None)
    return found if (known is None and old) or known == zlib.crc32(dumps(found)) else None
