"""Files at addresses: a folder on any file system, and what is done there.

Decides how a path or URL becomes a file system of pyarrow (its own for local paths, `s3://`, `gs://`, `hdfs://`; any
other through fsspec) and offers the few operations that are needed. What the files hold is left to others.
"""

from __future__ import annotations

import importlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, ArrowInvalid, fs

from promptcot.errors import InputError, StorageError
from promptcot.storage.atomic import write_whole
from promptcot.storage.paths import url_of


@dataclass(frozen=True)
class Folder:
    """A folder: its file system, and its path there."""

    system: Any
    path: str

    @classmethod
    def at(cls, path: str | Path) -> Folder:
        """The folder of that path or URL. Raises InputError where nothing here can read it."""
        url = url_of(path)
        if url is None:
            return cls(fs.LocalFileSystem(), str(Path(path).absolute()))
        try:
            return cls(*fs.FileSystem.from_uri(url))
        except ArrowInvalid:
            return cls(*_by_fsspec(url))
        except (ArrowException, OSError) as error:
            raise InputError(f"{url}: this address cannot be used: {error}") from error

    @property
    def is_local(self) -> bool:
        return isinstance(self.system, fs.LocalFileSystem)

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.system, f"{self.path}/{name}")

    def make(self) -> None:
        """Make the folder, and those that it lies in. Raises StorageError."""
        try:
            self.system.create_dir(self.path, recursive=True)
        except OSError as error:
            raise StorageError(f"{self.path}: this folder cannot be made ({error})") from error

    def remove(self) -> None:
        """Remove the folder and all that is in it; one that is not there does no harm."""
        if self.system.get_file_info(self.path).type != fs.FileType.NotFound:
            self.system.delete_dir(self.path)

    @property
    def parent(self) -> Folder:
        """The folder that it lies in."""
        return Folder(self.system, self.path.rpartition("/")[0])

    def folders(self) -> list[Folder]:
        """The folders in it, by name."""
        return [self / name for name in self._names(fs.FileType.Directory)]

    def files(self, suffix: str) -> Iterator[str]:
        """The names of the files in it that end so, sorted."""
        yield from (name for name in self._names(fs.FileType.File) if name.endswith(suffix))

    def _names(self, kind: Any) -> list[str]:
        found = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == kind)

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self.system.get_file_info(f"{self.path}/{name}").type == fs.FileType.File)

    def read(self, name: str) -> bytes:
        """All of a small file."""
        with self.system.open_input_stream(f"{self.path}/{name}", compression=None) as stream:
            content: bytes = stream.read()
        return content

    def send(self, source: Path, name: str) -> None:
        """Copy a file of this machine into it. Raises StorageError."""
        target = f"{self.path}/{name}"
        try:
            self.system.create_dir(target.rpartition("/")[0], recursive=True)
            with source.open("rb") as content, self.system.open_output_stream(target, compression=None) as stream:
                shutil.copyfileobj(content, stream)
        except OSError as error:
            raise StorageError(f"{target}: cannot be written ({error})") from error

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, which appears whole. Raises StorageError."""
        try:
            if self.is_local:
                write_whole(Path(self.path) / name, content)
                return
            with self.system.open_output_stream(f"{self.path}/{name}", compression=None) as stream:
                stream.write(content)
        except OSError as error:
            raise StorageError(f"{self.path}/{name}: cannot be written ({error})") from error


def _by_fsspec(url: str) -> tuple[Any, str]:
    try:
        system, path = importlib.import_module("fsspec.core").url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise InputError(
            f"{url}: this address cannot be used ({error}); pyarrow reads s3://, gs:// and hdfs://, and others need "
            "fsspec and its package for them"
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def open_remote(url: str) -> io.BufferedReader:
    """A file at an address, to read from its beginning. Raises InputError."""
    folder = Folder.at(url)
    if folder.system.get_file_info(folder.path).type != fs.FileType.File:
        raise InputError(f"{url}: no such file")
    return io.BufferedReader(folder.system.open_input_file(folder.path))
