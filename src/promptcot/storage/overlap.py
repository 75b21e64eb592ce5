"""Refuses commands whose outputs would overwrite an input or another output.

Two files are the same if their resolved paths are the same, or if the file system says so (hard links). An output
includes its companions, the folder of its journal and its temporary files; an input includes the files beside it. The
check covers all verbs, on the command line and in Python, before anything is opened. The verb names its paths
(`cli.parameters`, `pipeline`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import combinations
from pathlib import Path
from typing import Self

from promptcot.errors import UsageError
from promptcot.storage.paths import PARTIAL, SUFFIXES, Kind, companions, state, url_of
from promptcot.storage.usable import check_readable, check_writable, status

RUN = ("*.jsonl", "recipe.json", "summary.json", "results.json", "README.md")
"""The files that are read in the folder of a run, an evaluation or a training run."""
MODEL = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("*token*", "vocab*", "merges.txt", "chat_template*", "*.model", "*.jinja", "criteria.toml", "domain.toml"),
)
"""The files that are read in the folder of a model or of prompts."""
_OF_A_FOLDER = ("recipe.json", "summary.json", "results.json", "chain.json", "lock", "chain.lock")


@dataclass(frozen=True, slots=True)
class Read:
    """A path that is read; of a folder, the files in it whose names match one of `inside`."""

    path: Path
    inside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """An output: the files that are replaced, and the folders in which anything may be."""

    path: Path
    files: tuple[Path, ...]
    folders: tuple[Path, ...] = ()
    is_folder: bool = False

    @classmethod
    def of(cls, path: str | Path, kind: Kind) -> Self:
        """All files of an output of a kind. Raises UsageError for a path without a file name, such as `/`."""
        main = Path(path)
        if kind == "either":
            kind = "file" if main.name.endswith(SUFFIXES) else "folder"
        if kind == "folder":
            return cls(main, tuple(main / name for name in _OF_A_FOLDER), is_folder=True)
        if not main.name:
            raise UsageError(f"{main} is a folder, but a file is to be written; choose another output")
        if kind == "export":
            return cls(main, tuple(companions(main, kind)), (main, *state(main, kind)), is_folder=True)
        own = [] if kind == "read" else [main]
        return cls(main, (*own, *companions(main, kind)), tuple(state(main, kind)))


def check_paths(reads: Iterable[Read], outputs: Iterable[Written]) -> None:
    """Raises UsageError if an output would replace an input or another output, or cannot be written at all, and
    InputError for an input that can never be read. `storage.delivery` checks remote paths.
    """
    read = [one for one in dict.fromkeys(reads) if url_of(one.path) is None]
    written = [one for one in outputs if url_of(one.path) is None]
    for source in read:
        check_readable(source.path)
    for output in written:
        check_writable(output.path, output.files, (*output.folders, *([output.path] if output.is_folder else [])))
    places = [(output, _Places(output)) for output in written]
    for (one, its), (other, other_places) in combinations(places, 2):
        _refuse_two_of_one_name(one, its, other, other_places)
    for source in read:
        for output, its in places:
            _refuse_loss(source, output, its)


@dataclass(frozen=True, slots=True)
class _Place:
    """The resolved path, and the file's inode, if it exists."""

    name: str
    number: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path) -> Self:
        status_of_path = status(path)
        return cls(
            os.path.realpath(path), None if status_of_path is None else (status_of_path.st_dev, status_of_path.st_ino)
        )

    def is_same(self, other: Self) -> bool:
        return self.name == other.name or (self.number is not None and self.number == other.number)

    def is_in(self, folder: Self) -> bool:
        """Whether it is in the folder, at any depth, or is the folder."""
        return self.is_same(folder) or self.name.startswith(folder.name.rstrip(os.sep) + os.sep)


class _Places:
    """The places of all files of an output; temporary files have their own names."""

    def __init__(self, output: Written) -> None:
        self.files = [_Place.of(file) for file in output.files]
        self.unfinished = [_Place.of(file.with_name(file.name + PARTIAL)) for file in output.files]
        self.folders = [_Place.of(folder) for folder in output.folders]
        self.itself = _Place.of(output.path) if output.is_folder else None

    def hold(self, read: _Place) -> bool:
        """Whether a file or folder that is read would be overwritten."""
        if self.itself is not None and self.itself.is_same(read):
            return True
        replaced = any(one.is_same(read) for one in (*self.files, *self.unfinished))
        return replaced or any(read.is_in(folder) for folder in self.folders)


def _refuse_two_of_one_name(one: Written, its: _Places, other: Written, others: _Places) -> None:
    """Raises UsageError for two outputs that share a file. Files beside an input that is read twice may be the same."""
    if one == other and one.path not in one.files:
        return
    if any(file.is_same(of_other) for file in its.files for of_other in others.files):
        raise UsageError(
            f"two outputs, {one.path} and {other.path}, or files beside them have the same name; give them different "
            "names"
        )
    if any(others.hold(file) for file in its.files) or any(its.hold(file) for file in others.files):
        raise UsageError(f"{other.path} and {one.path}: one output is among the files of the other; choose another")


def _refuse_loss(source: Read, output: Written, its: _Places) -> None:
    """Raises UsageError if the output would replace the input, a file beside it, or a file in it."""
    place = _Place.of(source.path)
    if its.hold(place):
        what = "folder" if source.path.is_dir() else "file"
        raise UsageError(
            f"{source.path}: this {what} would be replaced by the output {output.path}; choose another output. "
            "(To retry failed rows, run the same command again)"
        )
    for file in _lying_beside(source.path):
        if its.hold(_Place.of(file)):
            raise UsageError(
                f"{source.path}: {file.name} beside it would be replaced by the output {output.path}; choose "
                "another output"
            )
    held = [source.path] if source.path.is_dir() else state(source.path, "file")
    for folder in map(_Place.of, held):
        inside = source.inside if folder.is_same(place) else ("*",)
        if names := [*_in_folder(its.files, folder, inside)]:
            raise UsageError(
                f"{source.path}: {names[0]} in it is read and would be replaced by the output {output.path}; "
                "choose another output"
            )


def _lying_beside(source: Path) -> list[Path]:
    """The companions of a file of rows or vectors that is read."""
    return companions(source, "file") if source.name.endswith((*SUFFIXES, ".safetensors")) else []


def _in_folder(files: Sequence[_Place], folder: _Place, names: Sequence[str]) -> Iterator[str]:
    """The names of the files that are directly in the folder and match."""
    for file in files:
        parent, name = os.path.split(file.name)
        if parent == folder.name and any(fnmatch(name, pattern) for pattern in names):
            yield name
