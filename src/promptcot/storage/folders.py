"""Folders that are written atomically.

A folder is made under a temporary name and renamed. Only then does it replace an existing folder, and only one of the
same kind, which a file in it shows. The process that makes a folder holds a lock on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from promptcot.errors import UsageError
from promptcot.storage.atomic import make_parent, storing, sync
from promptcot.storage.paths import PARTIAL

_OLD = ".replaced"  # not .old, which people use for their own copies


@contextmanager
def begun(target: Path, made_by: str) -> Iterator[Path]:
    """An empty folder to fill, which the caller may `publish` as `target`; otherwise it is removed after the block.

    `made_by` is the file that an existing folder must contain unless it is empty. Raises UsageError, StorageError.
    """
    target = Path(os.path.realpath(target))
    partial, old = _named(target, PARTIAL), _named(target, _OLD)
    make_parent(target)
    with storing(target):
        if old.exists() and not target.exists():  # the process was killed between the two renames
            os.replace(old, target)
    check_replaceable(target, made_by)
    try:
        with storing(partial):
            rmtree(partial, ignore_errors=True)
            partial.mkdir()
        yield partial
    finally:
        rmtree(partial, ignore_errors=True)


def publish(target: Path) -> None:
    """Rename the finished folder to its name, replacing an earlier one. Raises StorageError."""
    target = Path(os.path.realpath(target))
    partial, old = _named(target, PARTIAL), _named(target, _OLD)
    with storing(target):
        rmtree(old, ignore_errors=True)
        for file in sorted(partial.rglob("*")):
            sync(file)
        sync(partial)
        if target.exists():
            os.replace(target, old)
        os.replace(partial, target)
        sync(target.parent)
    rmtree(old, ignore_errors=True)


def check_replaceable(target: Path, made_by: str) -> None:
    """Raises UsageError for a path that is not a folder, a folder with other files, or a name for partial folders."""
    if target.name.endswith((PARTIAL, _OLD)):
        raise UsageError(
            f"{target}: names that end in {target.suffix} are reserved for unfinished folders; choose another"
        )
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file, but a folder is to be written there; give another name")
    if any(target.iterdir()) and not (target / made_by).is_file():
        raise UsageError(f"{target}: the folder contains other files and no {made_by}; give the name of a new folder")


def _named(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)
