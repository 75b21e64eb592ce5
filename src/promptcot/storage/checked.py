"""JSON lines and small JSON files with a checksum.

The checksum is a last field, `crc32`, over the preceding bytes of a line, or over the other fields of a file. It is a
number rather than text, so that a cut line cannot look like a line without a checksum, unless exactly the checksum is
missing. Readers decide what to do about damage.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptcot.storage.atomic import without_secrets, write_json
from promptcot.storage.json import dumps, loads

FIELD = "crc32"
_MARK = b',"crc32":'


def sealed(line: bytes) -> bytes:
    """A line from `dumps`, of an object with at least one field, with its checksum added."""
    body = line.rstrip()[:-1]
    return b"%s%s%d}\n" % (body, _MARK, zlib.crc32(body))


def intact(line: bytes) -> bool | None:
    """Whether the checksum of a line is right; None if it has none. Line ends may be `\\r\\n`."""
    end = line.rfind(_MARK)
    if end < 0:
        return None
    return line[end:].rstrip(b"\r\n") == b"%s%d}" % (_MARK, zlib.crc32(line[:end]))


def body(line: bytes) -> bytes:
    """A line without its checksum, closing brace and line end, which is the same with and without a checksum."""
    end = line.rfind(_MARK)
    return line[:end] if end >= 0 else line.rstrip()[:-1]


def record_of(line: bytes) -> dict[str, Any] | None:
    """The fields of a line, without the checksum; None if it is damaged or has no checksum."""
    if not intact(line):
        return None
    record = loads(line)
    del record[FIELD]
    return dict(record)


def write_document(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, without secrets, with a checksum. Raises StorageError."""
    shown = without_secrets(dict(fields))
    write_json(path, {**shown, FIELD: zlib.crc32(dumps(shown))})


def read_document(path: Path, *, old: bool = True) -> dict[str, Any] | None:
    """The fields of such a file; None if there is none or it is damaged.

    A file without a checksum comes from an earlier version, and may be any JSON object; it is accepted with `old`.
    """
    try:
        document = loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict):
        return None
    known = document.pop(FIELD, None)
    return document if (known is None and old) or known == zlib.crc32(dumps(document)) else None
