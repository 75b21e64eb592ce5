"""Finds and removes the files that a finished run or output no longer needs (`clean`).

Decides which files and folders these are, what each is for, and what it would cost to recreate them. Refuses runs that
are unfinished or being written. Results (rows, summary, recipe, vectors of concepts) are never removed. Symbolic links
are reported and kept, because their targets may belong to someone else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.units import counted
from promptcot.errors import InputError, LockedError, UsageError
from promptcot.pipeline.paid import CALLS, Paid, calls_in, paid_in
from promptcot.pipeline.plan import REFERENCES
from promptcot.storage.atomic import locked, storing
from promptcot.storage.manifest import read_manifest
from promptcot.storage.paths import PARTIAL, SUFFIXES, beside, rows_of, url_of

_ROWS = (*SUFFIXES, ".safetensors")
_OTHERS = {
    "chain.json": "a chain of commands; give the directory of a run in it, or an output file",
    "results.json": "an evaluation, which clean does not support",
    "log.jsonl": "a training run, which clean does not support",
}
"""Files that identify directories of other commands, and the advice for each."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder that results do not need: its `size` in bytes, and its purpose.

    `paid` is the cost of the model calls that it holds; None if it can be recreated without a model.
    """

    path: Path
    size: int
    what: str
    paid: Paid | None = None

    @property
    def is_link(self) -> bool:
        return self.path.is_symlink()


@dataclass(frozen=True)
class Leftovers:
    """What may be removed from a run or an output, and what stays: `links`, and `kept` bytes of results."""

    of: Path
    found: Sequence[Leftover]
    links: Sequence[Path]
    kept: int

    @property
    def size(self) -> int:
        """The total size, in bytes."""
        return sum(one.size for one in self.found)

    @property
    def paid(self) -> list[Leftover]:
        """The model calls that would have to be repeated."""
        return [one for one in self.found if one.paid is not None]

    def remove(self) -> None:
        """Remove everything, while nobody else writes. Raises LockedError, StorageError, and InputError if the run was
        restarted after it was inspected.
        """
        with ExitStack() as held:
            if self.of.is_dir():
                held.enter_context(locked(self.of / "lock"))
                _check_finished(self.of, self.of / "summary.json")
            for one in self.found:
                with ExitStack() as its:
                    if (one.path / "lock").exists():
                        its.enter_context(locked(one.path / "lock"))
                    _remove(one.path)


def leftovers(of: Path, *, keep_calls: bool = False) -> Leftovers:
    """What may be removed from a finished run directory, or from a finished output file. Removes nothing.

    With `keep_calls`, only files that can be recreated without a model. Raises InputError for any other path or an
    unfinished run, LockedError while it is being written, UsageError for an address.
    """
    if (url := url_of(of)) is not None:
        raise UsageError(
            f"{url}: the journal of an output at an address lies in the folder of --journal; give that one"
        )
    if not os.path.lexists(of):
        raise InputError(f"{of}: no such file or directory; give the directory of a run, or the output file of a verb")
    found = [*(_of_run(of) if of.is_dir() else _of_file(of))]
    links = [one.path for one in found if one.is_link]
    chosen = [one for one in found if not one.is_link and not (keep_calls and one.paid)]
    results = _files_of(of) if of.is_dir() else [of]
    return Leftovers(of, chosen, links, sum(map(_size, results)) - sum(one.size for one in found if not one.is_link))


def _of_run(directory: Path) -> Iterator[Leftover]:
    """The leftovers of a run directory. Raises InputError, LockedError."""
    summary = directory / "summary.json"
    for name, what in _OTHERS.items():
        if (directory / name).exists():
            raise InputError(f"{directory}: this is the directory of {what}")
    if directory.name.endswith(".journal"):
        raise InputError(f"{directory}: this is a journal; give the directory of its run, or the output it belongs to")
    if not _is_run(directory):
        raise InputError(f"{directory}: this is not the directory of a run; give one, or the output file of a verb")
    _check_free(directory / "lock")
    _check_finished(directory, summary)
    paid = paid_in(summary)
    for path in sorted(directory.iterdir()):
        name = path.name.removesuffix(".journal")
        if path.name.endswith(".journal"):
            yield _journal(path, name, paid.get(name))
        elif path.name == REFERENCES:
            size = _size(path)
            yield Leftover(path, size, "the vectors of benchmark problems", Paid(0, None))
        elif work := _work(path.name):
            yield Leftover(path, _size(path), work)


def _is_run(directory: Path) -> bool:
    return "recipe" in (read_manifest(directory) or {}) or (directory / "lock").exists()


def _of_file(output: Path) -> Iterator[Leftover]:
    """The leftovers of a verb's output. Raises InputError, LockedError."""
    if not output.name.endswith(_ROWS):
        raise InputError(f"{output}: give the directory of a run, or a file of rows or vectors that a verb has written")
    if not output.is_file():
        raise InputError(
            f"{output}: this is not a file; an output appears when its command has finished: finish it first"
        )
    rows = rows_of(output)
    if _is_run(output.parent) and not beside(rows, "summary.json").exists():
        raise InputError(f"{output}: this is a file of the run {output.parent}; give that directory")
    journal, grades = beside(rows, "journal"), beside(rows, "grades")
    if journal.exists():
        _check_finished(output, beside(rows, "summary.json"))
        paid = paid_in(beside(rows, "summary.json"))
        yield _journal(journal, journal.name.removesuffix(".journal"), _sum(paid))
    if grades.exists():
        yield Leftover(grades, _size(grades), _work(grades.name) or "")
    for path in sorted(output.parent.glob("*")):
        if path.name.startswith(f"{output.name}{PARTIAL}"):
            _check_free(path)
            yield Leftover(path, _size(path), _work(path.name) or "")


def _sum(paid: dict[str, Paid]) -> Paid:
    costs = [one.cost for one in paid.values() if one.cost is not None]
    calls, damaged = (sum(getattr(one, key) for one in paid.values()) for key in ("calls", "damaged"))
    return Paid(calls, sum(costs) if costs else None, damaged)


def _journal(path: Path, name: str, paid: Paid | None) -> Leftover:
    """A folder with replies, or an empty one, as a step without a model leaves it."""
    _check_free(path / "lock")
    if any(path.rglob("*.vectors")):
        return Leftover(path, _size(path), f"vectors of {name}", paid or Paid(0, None))
    if not any(path.rglob(CALLS)):
        return Leftover(path, _size(path), f"work files of {name}")
    there = sum(calls_in(calls.parent) or 0 for calls in path.rglob(CALLS))
    if not there:
        return Leftover(path, _size(path), f"an empty journal of {name}")
    if paid is None or not paid.calls:
        return Leftover(path, _size(path), f"replies to {there:,} calls of {name}", Paid(there, None))
    of = f"{there:,} of " if there < paid.calls else ""
    return Leftover(path, _size(path), f"replies to {of}{paid.calls:,} calls of {name}", paid)


def _work(name: str) -> str | None:
    """The purpose of a file or folder of this name, if it can be recreated without a model."""
    if name.endswith(".grades"):
        return "grades, computed again when they are needed"
    if name == "view.index":
        return "the index of `promptcot view`, built again when it is needed"
    if name.endswith((".state", ".part")) or PARTIAL in name:
        return "unfinished work, which is restarted from scratch anyway"
    return "logs of model servers" if name.endswith(".log") else None


def _check_free(lock: Path) -> None:
    """Raises LockedError if a process holds a lock. Creates no lock file."""
    if lock.is_file() and not lock.is_symlink():
        try:
            with locked(lock):
                pass
        except LockedError:
            raise LockedError(f"{lock}: another process is writing this; wait for it to end, or stop it") from None


def _check_finished(of: Path, summary: Path) -> None:
    """Raises InputError if there is no summary, or if calls were made after it was written."""
    way_out = "run the same command again to finish it, or delete files by hand"
    if not summary.is_file():
        raise InputError(f"{of}: it is not finished, because {summary.name} is missing; {way_out}")
    paid = paid_in(summary)
    if not paid:
        raise InputError(f"{summary}: it cannot be read, so the cost of the run is unknown; {way_out}")
    folders = {path.name.removesuffix(".journal"): path for path in of.glob("*.journal")} if of.is_dir() else {}
    if not of.is_dir() and len(paid) == 1:
        folders = {name: beside(rows_of(of), "journal") for name in paid}
    for name, folder in folders.items():
        recorded, there = paid.get(name, Paid(0, None)), calls_in(folder) or 0
        if _is_more(recorded, there) or (there != recorded.calls + recorded.damaged and _is_newer(folder, summary)):
            raise InputError(
                f"{of}: the journal of {name} has {counted(there, 'call')}, but its summary counts "
                f"{recorded.calls:,}, so "
                f"it was run again and has not finished; {way_out}"
            )


def _is_more(recorded: Paid, there: int) -> bool:
    """Whether calls were added. A step without a summary entry may have been called by an earlier recipe."""
    return bool(recorded.calls) and there > recorded.calls + recorded.damaged


def _is_newer(journal: Path, summary: Path) -> bool:
    """Whether calls were written after the summary, as when replies were removed and some calls were repeated."""
    calls = journal / CALLS
    return calls.is_file() and calls.stat().st_size > 0 and calls.stat().st_mtime_ns > summary.stat().st_mtime_ns


def _files_of(folder: Path) -> Iterator[Path]:
    """All files inside, at any depth; links are not followed."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; targets of links are not counted."""
    if path.is_symlink():
        return 0
    return sum(map(_size, _files_of(path))) if path.is_dir() else path.lstat().st_size


def _remove(path: Path) -> None:
    with storing(path):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
