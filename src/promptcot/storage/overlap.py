"""No input is an output: what a command reads and what it writes, and whether any of it is the same file.

Files are the same where their paths lead to one place, links followed, or where the file system says so (hard links).
To an output belong its companions, the folder of its journal and its unfinished files; to an input what lies beside it.
Decides this for all verbs, from the command line and from Python, before anything is opened. Which paths a verb has is
left to it (`cli.parameters`, `pipeline`).
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
"""What is read in the folder of a run, of an evaluation or of a training."""
MODEL = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("*token*", "vocab*", "merges.txt", "chat_template*", "*.model", "*.jinja", "criteria.toml", "domain.toml"),
)
"""What is read in the folder of a model, or of prompts."""
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
        """All that belongs to an output of a kind. Raises UsageError for a path that names no file, such as `/`."""
        main = Path(path)
        if kind == "either":
            kind = "file" if main.name.endswith(SUFFIXES) else "folder"
        if kind == "folder":
            return cls(main, tuple(main / name for name in _OF_A_FOLDER), is_folder=True)
        if not main.name:
            raise UsageError(f"{main}: is a folder, and a file is to be written; choose another output")
        if kind == "export":
            return cls(main, tuple(companions(main, kind)), (main, *state(main, kind)), is_folder=True)
        own = [] if kind == "read" else [main]
        return cls(main, (*own, *companions(main, kind)), tuple(state(main, kind)))


def check_paths(reads: Iterable[Read], outputs: Iterable[Written]) -> None:
    """Raises UsageError where an output would replace an input or another output, or cannot be written at all, and
    InputError for an input that can never be read. What lies at an address is left to `storage.delivery`.
    """
    read = [one for one in dict.fromkeys(reads) if url_of(one.path) is None]
    written = [one for one in outputs if url_of(one.path) is None]
    for source in read:
        check_readable(source.path)
    for output in written:
        check_writable(output.path, output.files, (*output.folders, *([output.path] if output.is_folder else [])))
    places = [(output, _Places(output)) for output in written]
    for (one, its), (other, others) in combinations(places, 2):
        _refuse_two_of_one_name(one, its, other, others)
    for source in read:
        for output, its in places:
            _refuse_loss(source, output, its)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path leads: its name without links, and the file's number, where there is one."""

    name: str
    number: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path) -> Self:
        found = status(path)
        return cls(os.path.realpath(path), None if found is None else (found.st_dev, found.st_ino))

    def is_same(self, other: Self) -> bool:
        return self.name == other.name or (self.number is not None and self.number == other.number)

    def is_in(self, folder: Self) -> bool:
        """Whether it lies in the folder, at any depth, or is the folder."""
        return self.is_same(folder) or self.name.startswith(folder.name.rstrip(os.sep) + os.sep)


class _Places:
    """Where all that belongs to an output lies; unfinished files have names of their own."""

    def __init__(self, output: Written) -> None:
        self.files = [_Place.of(file) for file in output.files]
        self.unfinished = [_Place.of(file.with_name(file.name + PARTIAL)) for file in output.files]
        self.folders = [_Place.of(folder) for folder in output.folders]
        self.itself = _Place.of(output.path) if output.is_folder else None

    def hold(self, read: _Place) -> bool:
        """Whether a file or folder that is read would be written to."""
        if self.itself is not None and self.itself.is_same(read):
            return True
        replaced = any(one.is_same(read) for one in (*self.files, *self.unfinished))
        return replaced or any(read.is_in(folder) for folder in self.folders)


def _refuse_two_of_one_name(one: Written, its: _Places, other: Written, others: _Places) -> None:
    """Raises UsageError for two outputs that share a file. What lies beside a file that is read twice is the same."""
    if one == other and one.path not in one.files:
        return
    if any(file.is_same(of_other) for file in its.files for of_other in others.files):
        raise UsageError(
            f"two outputs have the same name, {one.path} and {other.path}, or files beside them have; give each a file "
            "of its own"
        )
    if any(others.hold(file) for file in its.files) or any(its.hold(file) for file in others.files):
        raise UsageError(f"{other.path} and {one.path}: one output lies among the files of the other; choose another")


def _refuse_loss(source: Read, output: Written, its: _Places) -> None:
    """Raises UsageError where the output would replace the input, something beside it, or something in it."""
    place = _Place.of(source.path)
    if its.hold(place):
        what = "folder" if source.path.is_dir() else "file"
        raise UsageError(
            f"{source.path}: this {what} would be replaced by the output {output.path}; choose another output. "
            "(Failed rows are asked again when the same command is run again)"
        )
    for file in _lying_beside(source.path):
        if its.hold(_Place.of(file)):
            raise UsageError(
                f"{source.path}: {file.name} lies beside it, and would be replaced by the output {output.path}; choose "
                "another output"
            )
    held = [source.path] if source.path.is_dir() else state(source.path, "file")
    for folder in map(_Place.of, held):
        inside = source.inside if folder.is_same(place) else ("*",)
        if names := [*_in_folder(its.files, folder, inside)]:
            raise UsageError(
                f"{source.path}: {names[0]} is read there, and would be replaced by the output {output.path}; choose "
                "another output"
            )


def _lying_beside(source: Path) -> list[Path]:
    """The files that belong to rows or vectors that are read."""
    return companions(source, "file") if source.name.endswith((*SUFFIXES, ".safetensors")) else []


def _in_folder(files: Sequence[_Place], folder: _Place, names: Sequence[str]) -> Iterator[str]:
    """The names of those files that lie directly in the folder and match."""
    for file in files:
        parent, name = os.path.split(file.name)
        if parent == folder.name and any(fnmatch(name, pattern) for pattern in names):
            yield name
