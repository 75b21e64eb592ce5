"""Atomic writes and file locks.

Decides where a file may be written, how it is locked, written, synced and renamed, and what an error of the file system
means.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from promptcot.errors import LockedError, StorageError
from promptcot.redaction import redacted, redacted_in
from promptcot.storage.json import indented
from promptcot.storage.paths import PARTIAL, url_of


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock `path` (a lock file, created if needed) for this process. Raises LockedError if another process holds it."""
    make_parent(path)
    with storing(path):
        handle = open_locked(path)
    try:
        yield
    finally:
        os.close(handle)


def open_locked(path: Path) -> int:
    """A locked file descriptor of `path`. If the file was renamed while we waited for the lock, it is opened again."""
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
            if is_still(handle, path):
                return handle
        os.close(handle)


def is_still(handle: int, path: Path) -> bool:
    """Whether the open file is the one that now has this name. Raises FileNotFoundError."""
    return os.path.samestat(os.fstat(handle), os.stat(path))


def make_parent(path: Path) -> None:
    """Create the parent folder of an output file, but never one called `s3:`. Raises StorageError."""
    if (url := url_of(path)) is not None:
        raise StorageError(
            f"{url}: files can be written only on this machine; a remote output needs --journal DIR, a local folder "
            "from which it is uploaded"
        )
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file under a temporary name and rename it. Raises StorageError, and leaves no partial file."""
    partial = path.with_name(path.name + PARTIAL)
    make_parent(path)
    with storing(path), removed_on_error(partial):
        partial.write_bytes(content)
        sync(partial)
        os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file atomically, without secrets, for files that describe a run. Raises StorageError."""
    write_whole(path, indented(without_secrets(value)))


def without_secrets(value: Any) -> Any:
    """The JSON value that `write_json` writes; it is searched in detail only if it contains a secret."""
    text = indented(value).decode()
    return value if redacted(text) == text else redacted_in(value)


@contextmanager
def removed_on_error(partial: Path) -> Iterator[None]:
    """Removes a partial file if the work on it fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns errors of the file system into StorageError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "free some space" if full else "check its permissions and the disk"
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); finished calls are kept: "
            f"{hint}, and run the same command again"
        ) from error


def sync(path: Path) -> None:
    """Sync a file, or a folder's directory entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
