"""The files of a run directory: which steps wrote them, in which order, and in which state the run is.

Reads a run that is being written, was interrupted, was half deleted, or comes from an earlier version: what is missing
is None, and nothing here raises because of what a file says. While a run has never ended, its unfinished files
(`X.jsonl.partial`) stand for the finished ones; the last line of one may be torn.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from promptcot.core import fields
from promptcot.errors import InputError
from promptcot.pipeline.set_file import SET
from promptcot.storage.counts import BEYOND_TARGET
from promptcot.storage.json import loads
from promptcot.storage.manifest import read_manifest
from promptcot.storage.paths import PARTIAL, SUFFIXES
from promptcot.storage.reviews import REVIEWS

State = Literal["finished", "being written", "interrupted", "incomplete"]
"""`incomplete`: the run ended, but files that its summary names are missing."""

_NOT_ROWS = {"encode", SET.removesuffix(".jsonl"), REVIEWS.removesuffix(".jsonl")}
"""Files whose rows are not those of a step: the concepts' vectors, the set, the reviews."""
_LONGEST_NAME = 240
"""The most bytes of a file name, not counting the suffix for unfinished files."""
_ORDER = (
    *("sample", "generate", "judge-*", "filter", "verify-*", "verify", "embed-dedup", "dedup", "embed-decontaminate"),
    *("decontaminate", "confirm-decontaminate", "solve", "label", "review", "select", "*"),
)
"""The order of steps if no summary states it."""


@dataclass(frozen=True, slots=True)
class StepFiles:
    """The files of one step; None for one that is not there. A step that left nothing out has no `dropped`."""

    name: str
    rows: Path | None
    dropped: Path | None
    failed: Path | None


@dataclass(frozen=True)
class RunFiles:
    """What lies in the directory of a run. `steps` are in its order; `recipe` is the resolved one, from `recipe.json`.

    `ended_with` names the last step of a run that ended, whether or not its files are still there. `missing` names the
    files that the summary tells of and that are gone.
    """

    directory: Path
    state: State
    recipe: Mapping[str, Any] | None
    summary: Mapping[str, Any] | None
    steps: Sequence[StepFiles]
    set_path: Path | None
    ended_with: str | None
    missing: Sequence[str]

    @classmethod
    def of(cls, directory: Path) -> RunFiles:
        """Read what lies there. Raises InputError for what is not the directory of a run."""
        if not directory.is_dir():
            what = "is a file; give the directory of its run" if directory.exists() else "no such directory"
            raise InputError(f"{directory}: {what}")
        summary, manifest = _object(directory / "summary.json"), read_manifest(directory)
        recipe = (manifest or {}).get("recipe")
        stages = summary.get("stages") if summary else None
        listed = [str(name) for name in stages] if isinstance(stages, dict) else None
        steps = [*_steps(directory, listed, unfinished=summary is None)]
        is_set = (directory / SET).is_file()
        if not steps and not is_set:
            raise InputError(f"{directory}: it has no files of a run; give the directory of a run that has begun")
        missing = [*_missing(directory, summary or {}, steps)]
        return cls(
            directory,
            _state(directory, missing, ended=listed is not None),
            recipe if isinstance(recipe, dict) else None,
            summary,
            steps,
            directory / SET if is_set else None,
            next((name for name in reversed(listed or ()) if name not in _NOT_ROWS), None),
            missing,
        )

    @property
    def last(self) -> StepFiles | None:
        """The last step of a run that ended, unless all its files are gone. Its rows are those of the set."""
        return next((step for step in self.steps if step.name == self.ended_with), None)


def _steps(directory: Path, listed: Sequence[str] | None, *, unfinished: bool) -> Iterator[StepFiles]:
    """The steps of the summary that have a file; without a summary, those of which there is a file."""
    names = _names(directory, unfinished) if listed is None else [name for name in listed if name not in _NOT_ROWS]
    for name in names:
        files = [_file(directory, f"{name}{kind}.jsonl", unfinished) for kind in ("", ".dropped", ".failed")]
        if any(files):
            yield StepFiles(name, *files)


def _names(directory: Path, unfinished: bool) -> list[str]:
    found = {}
    for path in directory.iterdir():
        name = path.name.removesuffix(PARTIAL) if unfinished else path.name
        if name.endswith(".jsonl") and path.is_file():
            step = name.removesuffix(".jsonl").removesuffix(".dropped").removesuffix(".failed")
            found[step] = next(place for place, like in enumerate(_ORDER) if fnmatch(step, like))
    names = sorted((name for name in found if name not in _NOT_ROWS), key=lambda name: (found[name], name))
    return names if any(_ORDER[found[name]] != "*" for name in names) else []


def _file(directory: Path, name: str, unfinished: bool) -> Path | None:
    if "/" in name or "\x00" in name or len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        return None  # a damaged summary, or one that names files elsewhere
    path, partial = directory / name, directory / f"{name}{PARTIAL}"
    if path.is_file():
        return path
    return partial if unfinished and partial.is_file() else None


def _state(directory: Path, missing: Sequence[str], *, ended: bool) -> State:
    if is_held(directory / "lock"):
        return "being written"
    if not ended:
        return "interrupted"
    return "incomplete" if missing else "finished"


def _missing(directory: Path, summary: Mapping[str, Any], steps: Sequence[StepFiles]) -> Iterator[str]:
    there = {step.name: step for step in steps}
    for name, stage in fields.mapping(summary.get("stages")).items():
        if name in _NOT_ROWS:
            continue
        step = there.get(name)
        if step is None or step.rows is None:
            yield f"{name}.jsonl"
        for kind in ("dropped", "failed"):
            lost = fields.counts(fields.mapping(stage).get(kind))
            lost.pop(BEYOND_TARGET, None)
            if any(lost.values()) and (step is None or getattr(step, kind) is None):
                yield f"{name}.{kind}.jsonl"
    data = fields.mapping(fields.mapping(summary.get("made")).get("data_sha256"))
    if SET in data and not (directory / SET).is_file():
        yield SET


def packed_files(directory: Path) -> list[str]:
    """The names of files of rows that are compressed or Parquet. A run writes none, so they are not read."""
    packed = (*(suffix for suffix in SUFFIXES if suffix != ".jsonl"), ".jsonl.gz", ".jsonl.xz", ".jsonl.bz2")
    try:
        return sorted(path.name for path in directory.iterdir() if path.name.endswith(packed))
    except OSError:
        return []


def is_held(lock: Path) -> bool:
    """Whether a process holds this lock. No file is made to find out, and the lock is not taken from anybody."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _object(path: Path) -> dict[str, Any] | None:
    try:
        found = loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
