"""Converts file system errors during the saving of weights into one error, since most writers hide the reason.

safetensors puts the error number into a text, torch's writer omits it, and its distributed checkpoints keep the errors
of each process. Any other error is passed on unchanged.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptcot.errors import StorageError

_NUMBER = re.compile(r"\(os error (\d+)\)")
_OF_TORCH = ("inline_container", "PytorchStreamWriter", "unexpected pos", "Parent directory")
_PROBE = b"\0" * (1 << 20)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Converts errors in writing weights below `target` into StorageError, if a file could not be written."""
    try:
        yield
    except (StorageError, KeyboardInterrupt):
        raise
    except BaseException as error:  # such as that of distributed checkpoints
        reason = next(filter(None, (_reason(one, target) for one in _chain(error))), None)
        if reason is None:
            raise
        raise StorageError(
            f"{target}: cannot be written ({reason}); finished work is kept: free some disk space, and run the same "
            "command again to continue from the last checkpoint"
        ) from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its causes, and the errors of other processes that it contains."""
    found: BaseException | None = error
    while found is not None:
        yield found
        for failure in getattr(found, "failures", {}).values():
            yield failure[0]
        found = found.__cause__ or found.__context__


def _reason(error: BaseException, target: Path) -> str | None:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    if number := _NUMBER.search(str(error)):
        return os.strerror(int(number[1]))
    if isinstance(error, RuntimeError) and any(word in str(error) for word in _OF_TORCH):
        return _probed(target)
    return None


def _probed(target: Path) -> str:
    """The reason why a file cannot be written there now; torch's own message does not help."""
    folder = next(one for one in (target, *target.parents) if one.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
            file.flush()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "torch does not say why; most often the disk is full, or a limit on the size of files"
