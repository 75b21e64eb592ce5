"""Whether a path can be read, or written, at all: found out before anything is opened or made.

Rows are read more than once, and outputs appear whole under their own names, so that both are files on a disk: pipes,
sockets, terminals and other devices are refused, with the way out. What is in a file is left to others, and so is
whether an input is missing: whoever reads it knows what belongs there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from promptcot.errors import InputError, UsageError
from promptcot.storage.paths import PARTIAL

_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Bytes, of the file systems of Linux and macOS."""
_STREAMS, _IN_MEMORY = ("/dev/", "/proc/"), "/dev/shm/"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device or a terminal",
    stat.S_IFBLK: "a device",
}


def status(path: Path) -> os.stat_result | None:
    """What the path leads to, links followed; None where nothing is there. Raises InputError where nothing can be."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise InputError(f"{str(path)!r}: no file can have this name ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: it cannot be used ({error.strerror}); give another path") from error


def check_readable(path: Path) -> None:
    """Raises InputError for what is there and is neither a file nor a folder, and for `-`."""
    found = status(path)
    if found is None and str(path) == "-":
        raise InputError("-: standard input is not read, as rows are read more than once; write them to a file first")
    if found is not None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise InputError(
            f"{path}: is {_kind(found)}, and what is read has to be a file, as it is read more "
            "than once; write it to a file first"
        )


def check_writable(path: Path, files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Raises UsageError, InputError where the files and folders of the output `path` cannot come to be."""
    for one in (*files, *folders):
        _check_length(path, one.parent / f"{one.name}{PARTIAL}")
    if (status(path) is None and str(path) == "-") or _is_stream(path):
        raise UsageError(
            f"{path}: is no file on a disk, and an output is a file that appears when it is whole; give a file's name"
        )
    for file in (*files, *(one.parent / f"{one.name}{PARTIAL}" for one in files)):
        found = status(file)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{file}: is {_kind(found)}, and a file is to be written; choose another output")
        _check_parent(file.parent)
    for folder in folders:
        found = status(folder)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise UsageError(f"{folder}: is a file, and a folder is to be made there; choose another output")
        _check_parent(folder)


def _kind(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), "no file")


def _is_stream(path: Path) -> bool:
    """Whether it is one of the names of the system for what is no file: `/dev/stdout`, `/dev/null`, `/proc/self/fd/1`.

    Where standard output goes to a file, `/dev/stdout` leads to that file, so that the name counts, too.
    """
    names = (f"{os.path.abspath(path)}/", f"{os.path.realpath(path)}/")
    return any(name.startswith(_STREAMS) and not name.startswith(_IN_MEMORY) for name in names)


def _check_length(output: Path, longest: Path) -> None:
    """Raises UsageError where a name, with all that is added to it, is longer than a file's may be."""
    most = max(len(os.fsencode(part)) for part in longest.parts)
    if most > _LONGEST_NAME or len(os.fsencode(os.path.abspath(longest))) > _LONGEST_PATH:
        raise UsageError(
            f"{output}: the name is too long: with what is added for the files beside it, {longest.name} has "
            f"{len(os.fsencode(longest.name))} bytes (at most {_LONGEST_NAME}, and {_LONGEST_PATH:,} with all folders)"
        )


def _check_parent(folder: Path) -> None:
    """Raises UsageError where no file can be made in the folder, which may have to be made first."""
    there = next((one for one in (folder, *folder.parents) if status(one) is not None), folder)
    if not there.is_dir():
        raise UsageError(f"{there}: is a file, so that nothing can be written below it; choose another output")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there}: nothing may be written into this folder; choose another output")
