"""Remote files: folders on any file system, and operations on them.

Decides how a path or URL becomes a file system of pyarrow (its own for local paths, `s3://`, `gs://`, `hdfs://`,
`abfs://`; any other through fsspec), how a file is written there atomically, and the timeouts. The content of files
does not matter here.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from uuid import uuid4

from pyarrow import ArrowException, ArrowInvalid, fs

from promptcot.errors import InputError, PromptCoTError, StorageError
from promptcot.storage.atomic import make_parent
from promptcot.storage.paths import url_of

Answer = TypeVar("Answer")

PATIENCE = 60.0
"""The timeout in seconds; without it some file systems retry for a quarter of an hour."""
_OBJECT_STORES = ("s3", "gcs", "abfs")
"""Object stores, where a file appears when its upload is complete, and folders need not be created."""


@dataclass(frozen=True)
class Folder:
    """A folder: its file system, and its path there."""

    system: Any
    path: str

    @classmethod
    def at(cls, path: str | Path) -> Folder:
        """The folder of a path or URL. Raises InputError if no installed package supports it."""
        url = url_of(path)
        if url is None:
            return cls(fs.LocalFileSystem(), str(Path(path).absolute()))
        try:
            return cls(*fs.FileSystem.from_uri(url))
        except ArrowInvalid:
            return cls(*_by_fsspec(url))
        except (ArrowException, OSError) as error:
            raise InputError(f"{url}: this address cannot be used ({_reason(error)})") from error

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.system, f"{self.path}/{name}")

    def make(self) -> None:
        """Create the folder and its parents. Raises StorageError."""
        try:
            self.system.create_dir(self.path, recursive=True)
        except OSError as error:
            raise StorageError(f"{self.path}: the folder cannot be created ({error})") from error

    @property
    def parent(self) -> Folder:
        """The parent folder."""
        return Folder(self.system, self.path.rpartition("/")[0])

    def files(self, suffix: str) -> Iterator[str]:
        """The sorted names of its files with a suffix; none if the folder does not exist."""
        infos = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        yield from sorted(
            info.base_name for info in infos if info.type == fs.FileType.File and info.base_name.endswith(suffix)
        )

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self.system.get_file_info(f"{self.path}/{name}").type == fs.FileType.File)

    def read(self, name: str) -> bytes:
        """The content of a small file."""
        with self.system.open_input_stream(f"{self.path}/{name}", compression=None) as stream:
            content: bytes = stream.read()
        return content

    def send(self, source: Path, name: str) -> None:
        """Upload a local file, which appears atomically. Raises StorageError.

        The copy is one call of pyarrow: a stream that Python closes after Ctrl-C would make a partial file look
        finished.
        """
        target = f"{self.path}/{name}"
        with _failing(StorageError, f"{target}: cannot be written"):
            if self.system.type_name in _OBJECT_STORES:
                _copy(fs.LocalFileSystem(), str(source), self.system, target)
                return
            self.system.create_dir(target.rpartition("/")[0], recursive=True)
            _copy(fs.LocalFileSystem(), str(source), self.system, f"{target}.partial")
            if self.has(name):  # HDFS does not rename over an existing file
                self.system.delete_file(target)
            self.system.move(f"{target}.partial", target)

    def take_away(self, name: str) -> None:
        """Remove a file, if it is there. Raises StorageError."""
        with _failing(StorageError, f"{self.path}/{name}: cannot be removed"):
            if self.has(name):
                self.system.delete_file(f"{self.path}/{name}")


def _by_fsspec(url: str) -> tuple[Any, str]:
    try:
        system, path = importlib.import_module("fsspec.core").url_to_fs(url)
    except Exception as error:  # each fsspec package has its own errors
        raise InputError(
            f"{url}: this address cannot be used ({_reason(error)}); pyarrow reads s3://, gs://, hdfs://, abfs://; "
            "others need fsspec and its package for them"
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def _copy(here: Any, source: str, there: Any, target: str) -> None:
    fs.copy_files(source, target, source_filesystem=here, destination_filesystem=there)


@contextmanager
def _failing(kind: type[PromptCoTError], what: str) -> Iterator[None]:
    """Turns all exceptions of a file system into one error type; each fsspec package has its own errors."""
    try:
        yield
    except PromptCoTError:
        raise
    except Exception as error:
        raise kind(f"{what} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def _in_time(work: Callable[[], Answer], url: str) -> Answer:
    """The result of `work`. Raises InputError if it takes longer than PATIENCE."""
    answer: Future[Answer] = Future()

    def ask() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=ask, name="address", daemon=True).start()
    try:
        return answer.result(PATIENCE)
    except TimeoutError as error:
        raise InputError(
            f"{url}: no answer within {PATIENCE:g} seconds; check the name, the credentials and the network"
        ) from error


def check_writable(url: str, *, folder: bool) -> None:
    """Write a small file at the place of a file, or in a folder, and remove it.

    Raises InputError if this fails or times out.
    """

    def probe() -> None:
        there = Folder.at(url) if folder else Folder.at(url).parent
        name = f"{there.path}/.promptcot-{uuid4().hex}"
        if there.system.type_name not in _OBJECT_STORES:
            there.make()
        with there.system.open_output_stream(name, compression=None) as stream:
            stream.write(b"whether files can be written here\n")
        there.system.delete_file(name)

    with _failing(InputError, f"{url}: nothing can be written there"):
        try:
            _in_time(probe, url)
        except StorageError as error:
            raise InputError(f"{url}: nothing can be written there ({error})") from error


def info_of(url: str) -> tuple[Folder, Any]:
    """A file's folder and its file information; None if it is not a file. Raises InputError."""

    def look() -> tuple[Folder, Any]:
        place = Folder.at(url)
        info = place.system.get_file_info(place.path)
        return place, info if info.type == fs.FileType.File else None

    with _failing(InputError, f"{url}: it cannot be read"):
        return _in_time(look, url)


def open_remote(url: str) -> io.BufferedReader:
    """A remote file, opened for reading. Raises InputError."""
    place, info = info_of(url)
    if info is None:
        raise InputError(f"{url}: no such file")
    with _failing(InputError, f"{url}: it cannot be read"):
        return io.BufferedReader(place.system.open_input_file(place.path))


def fetch(url: str, folder: Path) -> Path:
    """A local copy of a file in a folder, reused while size and time of the file stay the same.

    Raises InputError.
    """
    place, info = info_of(url)
    if info is None:
        raise InputError(f"{url}: no such file")
    target, changed = folder / place.path.rpartition("/")[2], info.mtime_ns or 0
    if changed and _is_copy(target, info.size, changed):
        return target
    partial = target.with_name(f"{target.name}.{uuid4().hex}.partial")
    make_parent(target)
    try:
        with _failing(InputError, f"{url}: it cannot be copied to {folder}"):
            _copy(place.system, place.path, fs.LocalFileSystem(), str(partial))
            os.utime(partial, ns=(changed, changed))
            os.replace(partial, target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return target


def _is_copy(target: Path, size: int, changed: int) -> bool:
    try:
        status = target.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size, changed)
