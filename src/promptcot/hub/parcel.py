"""The content of an upload: the files of a folder, and the name of a repository. Reads the disk only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from promptcot.errors import InputError, UsageError
from promptcot.storage.json import loads
from promptcot.storage.paths import PARTIAL

Kind = Literal["dataset", "model"]
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = 96
_NOT_OURS = (".git", ".cache", ".DS_Store", "__pycache__")


@dataclass(frozen=True)
class Parcel:
    """The `files` of a folder with their sizes in bytes, by their paths in it, for a repository `OWNER/NAME`.

    `mark` names the file that identifies an earlier version of the same content in a repository.
    """

    folder: Path
    name: str
    kind: Kind
    files: Mapping[str, int]
    mark: str
    public: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())

    @property
    def address(self) -> str:
        """The address of the repository's page."""
        return f"{endpoint()}/{'datasets/' * (self.kind == 'dataset')}{self.name}"

    def marked(self) -> dict[str, Any]:
        """The content of the marker. Raises InputError."""
        return mark_of((self.folder / self.mark).read_bytes(), str(self.folder / self.mark))


def endpoint() -> str:
    """The address of the Hub: `$HF_ENDPOINT`, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def check_name(name: str) -> str:
    """The name of a repository. Raises UsageError for an invalid one."""
    owner, _, own = name.partition("/")
    fits = all(_PART.fullmatch(part) and part[-1] not in "-." for part in (owner, own))
    if not fits or "--" in name or ".." in name or name.endswith(".git") or len(name) > _LONGEST:
        raise UsageError(
            f"--push {name}: this is not a valid name on the Hub; give OWNER/NAME, of letters, "
            "digits, `-`, `_` and `.`, "
            f"at most {_LONGEST} together, without `--` and `..`"
        )
    return name


def pack(folder: Path, name: str, kind: Kind, mark: str, *, public: bool = False) -> Parcel:
    """All files of a folder, for that repository. Raises UsageError for its name, InputError for the folder."""
    check_name(name)
    if not (folder / mark).is_file():
        raise InputError(
            f"{folder}: {mark} is missing; it is written last, so finish the command that writes this folder first"
        )
    files = dict(sorted(_files(folder)))
    return Parcel(folder, name, kind, files, mark, public)


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one not in _NOT_OURS]
        for path in (Path(parent, name) for name in (*folders, *names) if name not in _NOT_OURS):
            if path.is_symlink():
                raise InputError(f"{path}: links are not uploaded; replace it with the file itself, or remove it")
            if path.is_file() and PARTIAL not in path.name:
                yield path.relative_to(folder).as_posix(), path.stat().st_size


def mark_of(content: bytes, where: str) -> dict[str, Any]:
    """The content of a mark. Raises InputError where it is not a JSON object."""
    try:
        found = loads(content)
    except ValueError as error:
        raise InputError(f"{where}: it cannot be read as JSON; make the folder again") from error
    if not isinstance(found, dict):
        raise InputError(f"{where}: it is not a JSON object; make the folder again")
    return found
