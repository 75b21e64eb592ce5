"""Checks whether a path can be read or written at all, before anything is opened or created.

Rows are read more than once, and outputs are renamed when complete, so both must be files on a disk: pipes, sockets,
terminals and other devices are refused with a hint. The reader of a file checks its content and reports a missing
input.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from promptcot.errors import InputError, UsageError
from promptcot.storage.paths import PARTIAL

_LONGEST_NAME, _LONGEST_PATH = 255, 4095
"""Limits in bytes of the file systems of Linux and macOS."""
_STREAMS, _IN_MEMORY = ("/dev/", "/proc/"), "/dev/shm/"
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device or a terminal",
    stat.S_IFBLK: "a device",
}


def status(path: Path) -> os.stat_result | None:
    """The status of a path, links followed; None if nothing is there. Raises InputError for an invalid path."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise InputError(f"{str(path)!r}: no file can have this name ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: it cannot be used ({error.strerror}); give another path") from error


def check_readable(path: Path) -> None:
    """Raises InputError if the path exists and is neither a file nor a folder, and for `-`."""
    state = status(path)
    if state is None and str(path) == "-":
        raise InputError(
            "-: standard input is not supported, because rows are read more than once; write them to a file first"
        )
    if state is not None and not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
        raise InputError(
            f"{path} is {_kind(state)}, but the input must be a file, because it is read more "
            "than once; write it to a file first"
        )


def check_writable(path: Path, files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Raises UsageError, InputError if the files and folders of the output `path` cannot be created."""
    for one in (*files, *folders):
        _check_length(path, one.parent / f"{one.name}{PARTIAL}")
    if (status(path) is None and str(path) == "-") or _is_stream(path):
        raise UsageError(
            f"{path} is not a file on a disk, where an output is renamed when it is complete; choose another output"
        )
    for file in (*files, *(one.parent / f"{one.name}{PARTIAL}" for one in files)):
        found = status(file)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{file} is {_kind(found)}, but a file is to be written; choose another output")
        _check_parent(file.parent)
    for folder in folders:
        found = status(folder)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise UsageError(f"{folder} is a file, but a folder is to be created there; choose another output")
        _check_parent(folder)


def _kind(state: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(state.st_mode), "no file")


def _is_stream(path: Path) -> bool:
    """Whether it is a system name for a stream: `/dev/stdout`, `/dev/null`, `/proc/self/fd/1`.

    The name counts, because `/dev/stdout` leads to a regular file if standard output is redirected to one.
    """
    names = (f"{os.path.abspath(path)}/", f"{os.path.realpath(path)}/")
    return any(name.startswith(_STREAMS) and not name.startswith(_IN_MEMORY) for name in names)


def _check_length(output: Path, longest: Path) -> None:
    """Raises UsageError if a name with its longest suffix exceeds the limit of the file system."""
    most = max(len(os.fsencode(part)) for part in longest.parts)
    if most > _LONGEST_NAME or len(os.fsencode(os.path.abspath(longest))) > _LONGEST_PATH:
        raise UsageError(
            f"{output}: the name is too long: with the suffix of a file beside it, {longest.name} has "
            f"{len(os.fsencode(longest.name))} bytes (at most {_LONGEST_NAME}, and {_LONGEST_PATH:,} with all folders)"
        )


def _check_parent(folder: Path) -> None:
    """Raises UsageError if no file can be created in the folder, which may have to be created first."""
    there = next((one for one in (folder, *folder.parents) if status(one) is not None), folder)
    if not there.is_dir():
        raise UsageError(f"{there} is a file, so nothing can be written below it; choose another output")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"{there}: no permission to write into this folder; choose another output")
