"""Files that appear whole or not at all, and locks on them.

Decides where a file may be written, how it is locked, written, forced to disk and renamed, and what a refusal of the
file system means.
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
    """Hold `path` (a lock file, made if needed) for this process. Raises LockedError when another holds it."""
    make_parent(path)
    with storing(path):
        handle = open_locked(path)
    try:
        yield
    finally:
        os.close(handle)


def open_locked(path: Path) -> int:
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
            if is_still(handle, path):
                return handle
        os.close(handle)


def is_still(handle: int, path: Path) -> bool:
    """Whether the open file is the one that now has this name. Raises FileNotFoundError."""
    return os.path.samestat(os.fstat(handle), os.stat(path))


def make_parent(path: Path) -> None:
    """Make the folder of a file that is to be written; never one that is called `s3:`. Raises StorageError."""
    if (url := url_of(path)) is not None:
        raise StorageError(
            f"{url}: files are written on this machine only; an output at an address needs --journal DIR, where it is "
            "made before it is copied"
        )
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file under a temporary name and rename it. Raises StorageError, and leaves nothing unfinished."""
    partial = path.with_name(path.name + PARTIAL)
    make_parent(path)
    with storing(path), removed_on_error(partial):
        partial.write_bytes(content)
        sync(partial)
        os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file whole, without secrets, as all that tells about a run. Raises StorageError."""
    content = indented(value)
    text = content.decode()
    write_whole(path, content if redacted(text) == text else indented(redacted_in(value)))


@contextmanager
def removed_on_error(partial: Path) -> Iterator[None]:
    """Removes an unfinished file where the work on it fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


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
