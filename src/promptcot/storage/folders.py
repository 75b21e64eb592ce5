"""Folders that appear whole or not at all.

A folder is made under a temporary name and renamed. One that is there already gives way only then, and only if it is
one of the same kind, which a file in it says. Whoever makes a folder holds a lock on it.
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

_OLD = ".replaced"  # and not .old, as people call their own copies


@contextmanager
def begun(target: Path, made_by: str) -> Iterator[Path]:
    """An empty folder to fill, which the caller may `publish` as `target`. It is gone after the block if it was not.

    `made_by` is the file that a folder in its place has to hold, unless that is empty. Raises UsageError, StorageError.
    """
    target = Path(os.path.realpath(target))
    partial, old = _named(target, PARTIAL), _named(target, _OLD)
    make_parent(target)
    with storing(target):
        if old.exists() and not target.exists():  # the work was killed between the two renames
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
    """Let the folder that was begun appear, in the place of an earlier one. Raises StorageError."""
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
    """Raises UsageError for what is no folder, one with files of others, or a name of unfinished work."""
    if target.name.endswith((PARTIAL, _OLD)):
        raise UsageError(f"{target}: names that end in {target.suffix} are those of unfinished work; choose another")
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target}: is a file, and a folder is to be written there; give another name")
    if any(target.iterdir()) and not (target / made_by).is_file():
        raise UsageError(f"{target}: the folder holds other files, and has no {made_by}; give the name of a new folder")


def _named(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)
