"""Compares a repository with a folder, and decides what to change in the repository.

An earlier version of the same upload is recognized by its marker: identical files stay, changed files are uploaded, and
files that no longer exist are deleted. Any other content belongs to the user and is refused unless it may be replaced.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.errors import InputError
from promptcot.hub.client import sending, status_of
from promptcot.hub.parcel import Parcel, mark_of

_OF_THE_HUB = {".gitattributes"}
_IDENTITY = ("format", "set", "to")
"""The fields that have the same values in the marks of all versions of the same content."""
_OURS = "promptcot-"
_SHOWN = 3
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Change:
    """The files to upload and to delete, relative to the commit `head`; `same` files are already there.

    `replaced` are files to upload of which the repository has other contents, perhaps edited there by hand. `is_new` if
    the repository has to be created, else `is_private` is its visibility.
    """

    upload: Sequence[str]
    delete: Sequence[str]
    same: Sequence[str]
    head: str | None = None
    is_new: bool = False
    is_private: bool | None = None
    replaced: Sequence[str] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.upload or self.delete or self.is_new)


@dataclass
class Digests:
    """Hashes of local files in the Hub's formats, each cached while the file is unchanged."""

    folder: Path
    _known: dict[tuple[str, int, int, str], str] = field(default_factory=dict)

    def sha256(self, name: str) -> str:
        """The hash of the content, as of large files."""
        return self._of(name, "sha256", b"")

    def git(self, name: str) -> str:
        """The hash of the content as git has it, of small files."""
        return self._of(name, "sha1", b"blob %d\0" % (self.folder / name).stat().st_size)

    def _of(self, name: str, kind: str, head: bytes) -> str:
        path = self.folder / name
        found = path.stat()
        key = (name, found.st_size, found.st_mtime_ns, kind)
        if key not in self._known:
            digest = hashlib.new(kind, head, usedforsecurity=False)
            with path.open("rb") as file:
                for piece in iter(lambda: file.read(_AT_ONCE), b""):
                    digest.update(piece)
            self._known[key] = digest.hexdigest()
        return self._known[key]


def compare(client: Any, parcel: Parcel, digests: Digests, *, replace: bool) -> Change:
    """The necessary changes. Raises InputError for a repository with other files, unless these may be replaced."""
    with sending(parcel.name):
        info = _info(client, parcel)
        if info is None:
            return Change([*parcel.files], [], [], is_new=True)
        tree = client.list_repo_tree(parcel.name, recursive=True, repo_type=parcel.kind, revision=info.sha)
        there = {one.path: one for one in tree if hasattr(one, "size")}
        earlier = _mark(client, parcel, info.sha) if parcel.mark in there else None
    theirs = there.keys() - _OF_THE_HUB
    if theirs and not replace:
        _check_ours(parcel, earlier, theirs)
    gone = theirs if replace else theirs & _listed_files(earlier or {})
    same = [name for name in parcel.files if name in there and _is_same(digests, name, there[name])]
    upload = [name for name in parcel.files if name not in same]
    replaced = [name for name in upload if name in there]
    deleted = sorted(gone - parcel.files.keys())
    return Change(upload, deleted, same, info.sha, is_private=info.private, replaced=replaced)


def _info(client: Any, parcel: Parcel) -> Any:
    """The Hub's information on the repository; None if it does not exist."""
    try:
        return client.repo_info(parcel.name, repo_type=parcel.kind)
    except Exception as error:
        # It also answers 401 for a name that does not exist; that the token is good is known by now.
        if type(error).__name__ == "RepositoryNotFoundError" and status_of(error) in (401, 404):
            return None
        raise


def _mark(client: Any, parcel: Parcel, revision: str) -> dict[str, Any]:
    """The mark in the repository; empty if it is not one of ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = client.hf_hub_download(
            parcel.name, parcel.mark, repo_type=parcel.kind, revision=revision, local_dir=folder
        )
        try:
            return mark_of(Path(path).read_bytes(), parcel.mark)
        except InputError:
            return {}


def _check_ours(parcel: Parcel, earlier: Mapping[str, Any] | None, theirs: Iterable[str]) -> None:
    """Raises InputError if the repository does not hold an earlier version of the same content."""
    own, names = parcel.marked(), sorted(theirs)
    known = earlier is not None and str(earlier.get("format")).startswith(_OURS)
    if earlier and known and all(earlier.get(key) == own.get(key) for key in _IDENTITY):
        return
    shown = ", ".join(names[:_SHOWN]) + f" and {len(names) - _SHOWN:,} more" * (len(names) > _SHOWN)
    told = {key: earlier.get(key) for key in _IDENTITY if earlier.get(key)} if earlier else {}
    whose = (
        f"of other content ({', '.join(map(str, told.values()))})" if told else "that were not made from this folder"
    )
    raise InputError(
        f"{parcel.name} exists on the Hub and has files {whose}: {shown}; choose another name, or use --replace to "
        "delete files that this folder does not have"
    )


def _listed_files(mark: Mapping[str, Any]) -> set[str]:
    """The files that a mark lists, as a list or a table of names or of objects with one."""
    files = mark.get("files")
    entries = [*files] if isinstance(files, list | dict) else []
    named = (one.get("name") or one.get("path") if isinstance(one, dict) else one for one in entries)
    return {os.path.normpath(one) for one in named if isinstance(one, str)}


def _is_same(digests: Digests, name: str, there: Any) -> bool:
    """Whether a local file has the content of one in the repository."""
    if there.size != (digests.folder / name).stat().st_size:
        return False
    if there.lfs is not None:
        return bool(there.lfs.sha256 == digests.sha256(name))
    return bool(there.blob_id == digests.git(name))
