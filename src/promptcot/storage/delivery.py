"""Remote outputs: they are made completely on this machine and then uploaded.

Decides where an output is made, which files belong to it and in which order they appear at the remote address, which
files of an earlier result are removed there, and the messages for an address that cannot be used. `remote` copies the
files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Self

from promptcot.errors import StorageError, UsageError
from promptcot.storage.atomic import locked, write_whole
from promptcot.storage.parquet import pyarrow
from promptcot.storage.paths import SUFFIXES, Kind, companions, url_of
from promptcot.storage.sources import fetched

_STAYS = ("*.journal", "*.grades", "*.state", "*.lock", "lock", "*.log", "*.partial*", "*.part")
_STAYS_TOO = ("checkpoint-*", "processes", "ray")
"""Files that are not uploaded: journals, locks, logs of servers, partial files, the checkpoints of a training run."""
_LAST = ("results.json", "summary.json")
"""The file that shows that a folder is complete."""


@dataclass(frozen=True)
class Delivery:
    """A result for `url`, made at the local path `made`. Call `prepare`, work within `held`, then call `send`."""

    url: str
    made: Path
    kind: Kind

    @classmethod
    def of(cls, path: str | Path, journal: str | Path | None, kind: Kind) -> Self | None:
        """None for a path on this machine. Raises UsageError for an address without a `journal`."""
        url = url_of(path)
        if url is None:
            return None
        if journal is None:
            raise UsageError(
                f"{url}: a remote output needs --journal DIR (in Python journal=DIR), a folder on a disk that outlives "
                "the job: the output is made there, can be resumed, and is uploaded from there"
            )
        if (other := url_of(journal)) is not None:
            raise UsageError(f"{other}: the journal must be a folder on this machine")
        if kind == "either":
            kind = "file" if url.endswith(SUFFIXES) else "folder"
        folder = Path(journal)
        if kind == "read":
            folder = folder / "read" / hashlib.blake2b(url.encode(), digest_size=4).hexdigest()
        return cls(url, folder / Path(url).name, kind)

    @property
    def written(self) -> list[str]:
        """The addresses of a file and of its possible companions."""
        if self.kind not in ("file", "plain"):
            return []
        folder = self.url.rpartition("/")[0]
        return [f"{folder}/{path.name}" for path in (*companions(self.made, self.kind), self.made)]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Locks the output against other processes on this disk. Raises LockedError."""
        with locked(self._marked("lock")):
            yield

    def _marked(self, kind: str) -> Path:
        return self.made.with_name(f"{self.made.name}.{kind}")

    def prepare(self) -> None:
        """Check that the address can be written, and download the files that are read from there.

        Two outputs with one name in one folder would be confused, so the folder stores the address. Raises InputError,
        and UsageError for a folder in which another output was made.
        """
        pyarrow("lib")
        from promptcot.storage.remote import check_writable

        marker = self._marked("address")
        if marker.exists() and (other := marker.read_text(encoding="utf-8").strip()) != self.url:
            raise UsageError(f"{self.url}: {self.made} is the output for {other}; give another --journal")
        check_writable(self.url, folder=self.kind == "folder")
        if self.kind == "read":
            fetched(self.url, self.made.parent)
        write_whole(marker, f"{self.url}\n".encode())

    def send(self) -> None:
        """Upload the result, the output itself last, and remove stale files at the address. Raises StorageError.

        A folder is not emptied: only companions of its files are removed.
        """
        from promptcot.storage.remote import Folder

        there, here = Folder.at(self.url), self.made
        if self.kind != "folder":
            there, here = there.parent, here.parent
        names = list(self._results())
        try:
            for name in self._stale(names):
                there.take_away(name)
            for name in names:
                there.send(here / name, name)
        except StorageError as error:
            raise StorageError(
                f"{self.url}: the result could not be uploaded completely: {error}. It is complete in {self.made}, and "
                "finished calls are kept: run the same command again to upload it"
            ) from error

    def _results(self) -> Iterator[str]:
        """The names of the files to upload, in this order."""
        if self.kind == "folder":
            yield from sorted(self._in_folder(), key=lambda name: (name in _LAST, name))
            return
        names = [*companions(self.made, self.kind), *([] if self.kind == "read" else [self.made])]
        yield from (path.name for path in names if path.is_file())

    def _in_folder(self) -> Iterator[str]:
        for path in self.made.rglob("*"):
            name = path.relative_to(self.made)
            if path.is_file() and not any(fnmatch(part, no) for part in name.parts for no in (*_STAYS, *_STAYS_TOO)):
                yield name.as_posix()

    def _stale(self, names: list[str]) -> Iterator[str]:
        """Possible leftovers of an earlier result: companions that the new files do not have."""
        if self.kind in ("read", "plain"):
            return
        for name in names:
            main = Path(name)
            if (self.kind == "file" and main.name != self.made.name) or not name.endswith((*SUFFIXES, ".safetensors")):
                continue
            yield from (one.as_posix() for one in companions(main, "file") if one.as_posix() not in names)
