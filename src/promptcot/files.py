"""Rows on disk: reading streams of them, and writing files that appear whole or not at all.

Decides the formats (JSON Lines, `.jsonl.zst`, `.parquet`, by suffix), the encoding, what a malformed line means, ids
for rows that come without one, and how a file is locked, written and renamed. What a row means is left to others.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import orjson

from promptcot.errors import InputError, LockedError, StorageError
from promptcot.records import Row, content_id

SUFFIXES = (".jsonl", ".jsonl.zst", ".parquet")
_BATCH = 1024
_URL = re.compile(r"([a-z][a-z0-9+.-]+):(/{1,3})(?=[^/])", re.IGNORECASE)
_LONG_NUMBER = re.compile(rb"\d{19}")
_SIGN_OF_ONE = re.compile(rb"\d{3}")  # in every sixth byte: six times quicker than to look at all of them


def dumps(row: Any) -> bytes:
    """One line of JSON with its line break. What orjson refuses (huge integers, lone surrogates) is kept too."""
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return json.dumps(row, ensure_ascii=True).encode() + b"\n"


def loads(line: bytes) -> Any:
    """The JSON value of one line. Raises ValueError, also for NaN, which is not JSON."""
    if not (
        _SIGN_OF_ONE.search(line[::6]) and _LONG_NUMBER.search(line)
    ):  # orjson would read such an integer as a float
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            pass  # json also reads lone surrogates
    return json.loads(line, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def stem(path: Path) -> str:
    """The file's name without its row format: `a.b.jsonl.zst` gives `a.b`."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name


def beside(path: Path, kind: str) -> Path:
    """A companion of an output: `beside(X.jsonl, "failed.jsonl")` is `X.failed.jsonl`."""
    return path.with_name(f"{stem(path)}.{kind}")


def url_of(path: str | Path) -> str | None:
    """The URL that a path stands for, if it is one; a `Path` has made one slash of several. `file://` is a local path.

    So a host or bucket must be named in a `Path`, as in `hdfs://HOST/…`; only fsspec's `local:///…` has none.
    """
    text = str(path)
    found = _URL.match(text)
    if found is None or found[1].lower() == "file":
        return None
    slashes = "///" if len(found[2]) == 3 or found[1] == "local" else "//"
    return f"{found[1]}:{slashes}{text[found.end() :]}"


def read_rows(path: str | Path, *, may_be_empty: bool = False) -> Iterator[Row]:
    """The rows of a file, one at a time. Raises InputError for a missing or empty file, or a line that is no object."""
    source = Path(path)
    if url_of(path) is None:
        _check(source)
    empty = True
    for row in _read_parquet(source) if source.name.endswith(".parquet") else _read_lines(source):
        empty = False
        yield row
    if empty and not may_be_empty:
        raise InputError(f"{source}: the file has no rows")


def _check(source: Path) -> None:
    """Raises InputError for a path that is no readable file."""
    if not source.exists():
        raise InputError(f"{source}: no such file")
    if not os.access(source, os.R_OK):
        raise InputError(f"{source}: it may not be read")
    if source.is_dir():
        raise InputError(f"{source}: is a folder; a file of rows is needed ({', '.join(SUFFIXES)})")


def _open(source: Path) -> IO[bytes]:
    """A file on this machine, or at an address."""
    url = url_of(source)
    if url is None:
        return source.open("rb")
    _pyarrow("lib")
    from promptcot.remote import open_remote

    return open_remote(url)


def _read_lines(source: Path) -> Iterator[Row]:
    number = 0
    try:
        with _open_lines(source) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _object(line, source, number)
    except _broken_archive() as error:
        raise InputError(f"{source}, after line {number}: not a readable .zst file ({error})") from error


def _object(line: bytes, source: Path, number: int) -> Row:
    try:
        row = loads(line)
    except ValueError as error:
        raise InputError(f"{source}, line {number}: not JSON ({error})") from error
    if not isinstance(row, dict):
        raise InputError(f"{source}, line {number}: a row is a JSON object, this is a {type(row).__name__}")
    return row


def _broken_archive() -> type[Exception]:
    import zstandard

    return zstandard.ZstdError


def _open_lines(source: Path) -> IO[bytes]:
    if not source.name.endswith(".zst"):
        return _open(source)
    import zstandard

    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(_open(source), closefd=True))


def _read_parquet(source: Path) -> Iterator[Row]:
    parquet = _pyarrow("parquet")
    try:
        with parquet.ParquetFile(source if url_of(source) is None else _open(source)) as file:
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if value is not None}
    except _pyarrow("lib").ArrowException as error:
        raise InputError(f"{source}: not a readable Parquet file ({error})") from error


def _pyarrow(module: str) -> Any:
    try:
        import importlib

        return importlib.import_module(f"pyarrow.{module}")
    except ImportError as error:
        raise InputError("Parquet files need pyarrow: pip install 'promptcot[parquet]', or use .jsonl") from error


def with_ids(rows: Iterable[Row]) -> Iterator[Row]:
    """The same rows, each with an `id`: its own, or a hash of what it asks; a repeated id gets `-2`, `-3`, …

    Remembers 8 bytes of each id, and counts only for ids that repeat.
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
    """The id of a row that came without one."""
    if "prompt" not in row and "messages" not in row:
        return content_id(row)
    asked = row.get("prompt", row.get("messages"))
    material = row.get("rationale_and_problem")
    return content_id(asked) if material is None else content_id(asked, material)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` (a lock file, made if needed) for this process. Raises LockedError when another holds it."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open_locked(path)
    try:
        yield
    finally:
        os.close(handle)


def _open_locked(path: Path) -> int:
    """A descriptor of `path`, locked. A file that was renamed while we waited for the lock is not ours: open again."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise LockedError(
                f"{path}: another process is writing this output; wait for it to end, or choose another output"
            ) from None
        with suppress(FileNotFoundError):
            if _is_still(handle, path):
                return handle
        os.close(handle)


def _is_still(handle: int, path: Path) -> bool:
    """Whether the open file is the one that now has this name. Raises FileNotFoundError."""
    return os.path.samestat(os.fstat(handle), os.stat(path))


class RowWriter:
    """Writes rows to a temporary name beside `path`; `commit` renames, `discard` removes. Not thread-safe.

    The temporary file is locked, so that two writers cannot share a name. Raises LockedError, StorageError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._ready = self._partial
        with storing(self._partial):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = _open_locked(self._partial)
            self._lock = os.dup(handle)  # outlives the file: nobody may begin anew before the rename
            self._file = self._open(handle)

    def _open(self, handle: int) -> IO[bytes]:
        plain = os.fdopen(handle, "wb", buffering=1 << 16)
        plain.truncate()
        if not self.path.name.endswith(".zst"):
            return plain
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(plain, closefd=True)

    def write(self, row: Row) -> None:
        """Raises StorageError."""
        with storing(self._partial):
            self._file.write(dumps(row))

    def finish(self) -> None:
        """Bring everything to disk, still under the temporary name. Raises StorageError, or InputError for Parquet."""
        with storing(self._partial):
            self._file.close()
            if self.path.name.endswith(".parquet"):
                self._ready = _to_parquet(self._partial)
            sync(self._ready)

    def publish(self) -> None:
        """Let the finished file appear under its own name. Raises StorageError."""
        with storing(self.path):
            os.replace(self._ready, self.path)
            sync(self.path.parent)
        self.discard()

    def commit(self) -> None:
        """Finish and publish. Raises StorageError."""
        self.finish()
        self.publish()

    def discard(self) -> None:
        """Leave nothing behind under a temporary name. May be called more than once; never raises."""
        if self._lock < 0:
            return
        with suppress(OSError):
            self._file.close()
        for temporary in {self._partial, self._ready}:
            with suppress(OSError):
                if temporary != self._partial or _is_still(self._lock, temporary):
                    temporary.unlink()
        os.close(self._lock)
        self._lock = -1


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file under a temporary name and rename it. Raises StorageError."""
    partial = path.with_name(path.name + ".partial")
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        sync(partial)
        os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file whole. Raises StorageError."""
    write_whole(path, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into StorageError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "free some space" if full else "see to it that it can be written"
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); what was finished is kept: "
            f"{hint}, and run the same command again"
        ) from error


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_parquet(lines: Path) -> Path:
    """A Parquet file made of JSON Lines, in two passes: the union of all rows' fields first, then the rows."""
    arrow, parquet = _pyarrow("lib"), _pyarrow("parquet")
    target = lines.with_name(lines.name + ".parquet")
    try:
        schema = arrow.schema([])
        for batch in _batches(lines):
            found = arrow.Table.from_pylist(batch, arrow.schema(_fields(arrow, batch))).schema
            schema = arrow.unify_schemas([schema, found], promote_options="permissive")
        with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in _batches(lines):
                writer.write_table(arrow.Table.from_pylist(batch, schema))
    except arrow.ArrowException as error:
        raise InputError(f"{target}: these rows do not fit into Parquet ({error}); choose a .jsonl output") from error
    return target


def _fields(arrow: Any, batch: list[Row]) -> list[Any]:
    names = dict.fromkeys(name for row in batch for name in row)
    return [arrow.field(name, arrow.array([row.get(name) for row in batch]).type) for name in names]


def _batches(lines: Path) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in _read_lines(lines):
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
