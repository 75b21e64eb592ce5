"""Decides where a training run resumes: at the last complete checkpoint that has the same data and settings.

A checkpoint counts once its list of files has been written, after all of the files. An interrupted or damaged
checkpoint is skipped in favour of the one before. The trainer decides what a checkpoint holds.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.errors import InputError
from promptcot.storage.atomic import without_secrets
from promptcot.storage.checked import read_document, write_document
from promptcot.training.files import BEGAN_WITH, CHECKPOINTS

CONTENTS = "contents.json"
_ENDS = 1 << 25


@dataclass(frozen=True, slots=True)
class Found:
    """The checkpoint to resume from, if any, and why newer ones are skipped."""

    path: Path | None
    passed_over: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        return _step(self.path) if self.path else 0


def seal(folder: Path) -> None:
    """Record the files of a finished checkpoint, with their sizes and checksums."""
    write_document(folder / CONTENTS, {name: [path.stat().st_size, _checksum(path)] for name, path in _files(folder)})


def rotate(directory: Path, keep: int, best: int | None = None) -> None:
    """Remove all but the newest `keep` complete checkpoints and that of the step `best`, and incomplete ones that are
    older than the newest.
    """
    newest_first = sorted(directory.glob(CHECKPOINTS), key=_step, reverse=True)
    whole = [folder for folder in newest_first if incomplete(folder, checksums=False) is None]
    if whole:
        kept = {*whole[:keep], *(folder for folder in whole if _step(folder) == best)}
        for folder in newest_first[newest_first.index(whole[0]) :]:
            if folder not in kept:
                shutil.rmtree(folder)


def latest(directory: Path) -> Found:
    """The newest complete checkpoint in `directory`."""
    passed_over: list[str] = []
    for folder in sorted(directory.glob(CHECKPOINTS), key=_step, reverse=True):
        fault = incomplete(folder)
        if fault is None:
            return Found(folder, tuple(passed_over))
        passed_over.append(f"{folder.name} is incomplete ({fault})")
    return Found(None, tuple(passed_over))


def incomplete(folder: Path, *, checksums: bool = True) -> str | None:
    """The reason why a checkpoint is incomplete; None if it is complete. Without `checksums`, only names and sizes are
    checked.
    """
    if not (folder / CONTENTS).is_file():
        return f"it is unfinished: no {CONTENTS}"
    listed = read_document(folder / CONTENTS)
    if listed is None:
        return f"{CONTENTS} is damaged"
    there = dict(_files(folder))
    faults = (_fault(name, recorded, there.get(name), checksums) for name, recorded in sorted(listed.items()))
    return next(filter(None, faults), None)


def _fault(name: str, recorded: Any, path: Path | None, checksums: bool) -> str | None:
    """What is wrong with a file of a checkpoint. Earlier versions recorded sizes only."""
    size, checksum = recorded if isinstance(recorded, list) else (recorded, None)
    if path is None:
        return f"{name} is missing"
    if path.stat().st_size != size:
        return f"{name} has {path.stat().st_size:,} bytes instead of {size:,}"
    known = checksums and checksum is not None
    return f"{name} is damaged" if known and _checksum(path) != checksum else None


def _checksum(path: Path) -> int:
    """The checksum of a whole small file, and of the first and the last 32 MiB of a large one: reading the states of a
    large model takes minutes, and a crash leaves the end of a file unwritten.
    """
    with path.open("rb") as file:
        found = zlib.crc32(file.read(_ENDS))
        file.seek(max(file.tell(), path.stat().st_size - _ENDS))
        return zlib.crc32(file.read(), found)


def identity(model: Path) -> dict[str, Any] | None:
    """The identity of a base model in a folder: its configuration, and the sizes of its weights."""
    if not model.is_dir():
        return None  # on the Hub, where the revision does
    config = model / "config.json"
    digest = hashlib.sha256(config.read_bytes()).hexdigest() if config.exists() else None
    return {"config": digest, "weights": {path.name: _content(path) for path in sorted(model.glob("*.safetensors"))}}


def _content(path: Path) -> list[Any]:
    """Size, and a hash of the first and the last megabyte: training changes weights everywhere."""
    size, piece = path.stat().st_size, 1 << 20
    with path.open("rb") as file:
        digest = hashlib.blake2b(file.read(piece), digest_size=16)
        file.seek(max(0, size - piece))
        digest.update(file.read())
    return [size, digest.hexdigest()]


def began_with(
    directory: Path,
    now: Mapping[str, Any],
    *,
    goes_on: bool,
    assumed: Mapping[str, Any] | None = None,
    free: Collection[str] = (),
) -> Mapping[str, Any] | None:
    """Compare the data and settings with those at the start of the training, and record the new ones. Returns the old
    ones, if known.

    `assumed` are values for settings that an earlier version did not record. Settings in `free`, by dotted keys, may
    change. Raises InputError with all differences: with other rows or another order it would silently be another
    training.
    """
    path, before = directory / BEGAN_WITH, None
    if goes_on and path.exists():
        before = read_document(path)
        if before is None:
            raise InputError(
                f"{path}: it is damaged, so it is unknown whether this training run began with the same data and "
                "settings. If it did, delete this file to resume; otherwise choose another --output_dir"
            )
        before, known = _filled(before, assumed or {}), without_secrets(json.loads(json.dumps(now)))
        if found := [difference for key, difference in differences(before, known) if key not in free]:
            listed = "\n".join(f"  - {difference}" for difference in found)
            raise InputError(
                f"{directory}: this training run began with other data or settings:\n{listed}\nTo "
                "continue, restore them; to train from scratch, choose another --output_dir or delete this one"
            )
    write_document(path, now)
    return before


def _filled(values: Any, assumed: Any) -> Any:
    """The values, with `assumed` filled in where a table lacks a value."""
    if not isinstance(values, Mapping) or not isinstance(assumed, Mapping):
        return values
    known = {name: _filled(value, assumed.get(name)) for name, value in values.items()}
    return {**{name: value for name, value in assumed.items() if name not in values}, **known}


def differences(before: Any, now: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """The dotted key of each value that differs, with a description."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from differences(before.get(key), now.get(key), f"{where}.{key}" if where else str(key))
    elif before != now:
        yield where, f"{where}: {_shown(before)} before, {_shown(now)} now"


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != CONTENTS:
            yield path.relative_to(folder).as_posix(), path


def _step(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1
