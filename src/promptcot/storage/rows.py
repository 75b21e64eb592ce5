"""Reads rows from disk, one at a time, and gives ids to rows without one.

Decides the formats (JSON Lines, `.jsonl.zst`, `.parquet`, by suffix), the encoding, and the handling of malformed
lines. The content of rows does not matter here.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from promptcot.errors import InputError
from promptcot.records import Row, content_id
from promptcot.storage.frames import Frames
from promptcot.storage.json import loads
from promptcot.storage.manifest import read_manifest
from promptcot.storage.parquet_rows import read_parquet
from promptcot.storage.paths import SUFFIXES, url_of
from promptcot.storage.sources import open_file, shown
from promptcot.storage.usable import check_readable, status

_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-16 files."""


def read_rows(path: str | Path, *, may_be_empty: bool = False) -> Iterator[Row]:
    """The rows of a file, one at a time. Raises InputError for a missing or empty file, or a line that is not an
    object.

    The file of a shard may be empty.
    """
    source = Path(path)
    if url_of(path) is None:
        _check(source)
    empty = True
    for row in read_parquet(source) if source.name.endswith(".parquet") else read_lines(source):
        empty = False
        yield row
    if empty and not may_be_empty and "shard" not in (read_manifest(source) or {}):
        raise InputError(f"{shown(source)}: the file has no rows")


def _check(source: Path) -> None:
    """Raises InputError for a path that is not a readable file."""
    check_readable(source)
    if status(source) is None:
        raise InputError(f"{source}: no such file")
    if not os.access(source, os.R_OK):
        raise InputError(f"{source}: no permission to read it")
    if source.is_dir():
        raise InputError(f"{source} is a folder; a file of rows is needed ({', '.join(SUFFIXES)})")


def read_lines(source: Path) -> Iterator[Row]:
    number = 0
    try:
        with _open_lines(source) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _object(line, source, number)
    except _broken_archive() as error:
        raise InputError(f"{shown(source)}, after line {number}: not a readable .zst file ({error})") from error
    except OSError as error:
        raise InputError(f"{shown(source)}, after line {number}: it cannot be read further ({error})") from error


def _object(line: bytes, source: Path, number: int) -> Row:
    try:
        row = loads(line)
    except ValueError as error:
        why = "the file is UTF-16; write it as UTF-8" if number == 1 and line.startswith(_WIDE) else error
        raise InputError(f"{shown(source)}, line {number}: not JSON ({why})") from error
    if not isinstance(row, dict):
        raise InputError(f"{shown(source)}, line {number}: a row is a JSON object, this is a {type(row).__name__}")
    return row


def _broken_archive() -> type[Exception]:
    import zstandard

    return zstandard.ZstdError


def _open_lines(source: Path) -> IO[bytes]:
    if not source.name.endswith(".zst"):
        return open_file(source)
    return io.BufferedReader(Frames(open_file(source)))


def with_ids(rows: Iterable[Row]) -> Iterator[Row]:
    """The same rows, each with an `id`: its own, or a hash of its content; a repeated id gets `-2`, `-3`, …

    Takes 8 bytes of memory an id, and keeps counters only for repeated ids.
    """
    seen: set[int] = set()
    repeats: dict[str, int] = {}
    for row in rows:
        name = str(row["id"]) if row.get("id") not in (None, "") else row_id(row)
        short = hash_id(name)
        while short in seen:
            repeats[name] = repeats.get(name, 1) + 1
            short = hash_id(f"{name}-{repeats[name]}")
        seen.add(short)
        name = f"{name}-{repeats[name]}" if name in repeats else name
        yield row if row.get("id") == name else {"id": name, **{k: v for k, v in row.items() if k != "id"}}


def hash_id(name: str) -> int:
    """63 bits of a name, the same in every process."""
    return hash_bytes(name.encode(errors="surrogatepass"))


def hash_bytes(content: bytes) -> int:
    """63 bits of the content."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1


def row_id(row: Row) -> str:
    """The id of a row without one."""
    if "prompt" not in row and "messages" not in row:
        return content_id(row)
    asked = row.get("prompt", row.get("messages"))
    material = row.get("rationale_and_problem")
    return content_id(asked) if material is None else content_id(asked, material)
