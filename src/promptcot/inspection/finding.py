"""Finds the lines of a run's files that belong to some ids, and the id that a prefix stands for.

Each file is read once for any number of ids, and only lines with one of them are parsed. Lines that cannot be read, as
in a file that is being written, are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from promptcot.core.history import SET, Found, Outcome
from promptcot.errors import InputError
from promptcot.inspection.files import RunFiles, StepFiles
from promptcot.printable import quoted
from promptcot.records import Row
from promptcot.storage.json import dumps, loads

_NAMED, _SHOWN = 3, 80
"""The number of ids that a message names, and the number of characters that it shows of each."""
_START = b'{"id":"'
_ID = re.compile(rb'"id":\s*("(?:[^"\\]|\\.)*"|[^\s,{}\[\]"]+)')


def find(files: RunFiles, ids: Collection[str]) -> Mapping[str, list[Found]]:
    """The lines about each of these rows, in the order of the steps; the row of the set comes last, as `SET`.

    Without a `set.jsonl`, the set is the output of the last step of a run that has ended.
    """
    found: dict[str, list[Found]] = {name: [] for name in ids}
    wanted = _Wanted(ids)
    for step in files.steps:
        for outcome, path in _files(step):
            for name, row in wanted.rows(path):
                found[name].append(Found(step.name, outcome, row))
                if outcome == "out" and files.set_path is None and step is files.last:
                    found[name].append(Found(SET, "out", row))
    if files.set_path is not None:
        for name, row in wanted.rows(files.set_path):
            found[name].append(Found(SET, "out", row))
    return found


def ids_in(path: Path) -> Iterator[str]:
    """The ids of the rows of a file, in its order."""
    for line in _lines(path):
        name = _id_of(line)
        if name is not None:
            yield name


def id_of(files: RunFiles, given: str) -> str:
    """The id that is equal to `given`, or the only one that begins with it. Raises InputError, which names near ones.

    Prefixes are looked up in the first file of the run, normally `sample.jsonl`, before the others: a step of the
    user's own may have given its rows ids that begin with those of others.
    """
    paths = [path for step in files.steps for _, path in _files(step)]
    paths += [files.set_path] if files.set_path is not None else []
    matches = tuple[dict[str, None], dict[str, None]](({}, {}))
    for place, path in enumerate(paths):
        for name in ids_in(path):
            if name == given:
                return given
            if given and name.startswith(given):
                matches[min(place, 1)][name] = None
    found = [*(matches[0] or matches[1])]
    if len(found) > 1:
        raise InputError(f"{files.directory}: {_several(given, found)}")
    if found:
        return found[0]
    raise InputError(f"{files.directory}: no row has the id {quoted(given, _SHOWN)!r}{_near(given, paths)}")


def _several(given: str, found: Sequence[str]) -> str:
    names = ", ".join(quoted(name, _SHOWN) for name in found[:_NAMED])
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"{len(found):,} ids begin with {quoted(given, _SHOWN)!r}: {names}{more}; give more characters"


def _near(given: str, paths: Sequence[Path]) -> str:
    """The ids most similar to one that does not exist."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    names = dict.fromkeys(name for path in paths for name in ids_in(path))
    most = max(2, len(given) // 2)
    found = process.extract(given, names.keys(), scorer=Levenshtein.distance, limit=_NAMED, score_cutoff=most)
    near = ", ".join(quoted(name, _SHOWN) for name, _, _ in found)
    return f"; the nearest are {near}" if near else ""


def _files(step: StepFiles) -> Iterator[tuple[Outcome, Path]]:
    paths: dict[Outcome, Path | None] = {"out": step.rows, "dropped": step.dropped, "failed": step.failed}
    yield from ((outcome, path) for outcome, path in paths.items() if path is not None)


class _Wanted:
    """Some ids, as they are written in lines of JSON."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._plain = frozenset(written[1:-1] for written in (dumps(name).rstrip() for name in ids))

    def rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        """The rows of a file with one of the ids."""
        for line in _lines(path):
            if not self._may_have(line):
                continue
            row = _row(line)
            if row is not None and (name := str(row.get("id"))) in self._ids:
                yield name, row

    def _may_have(self, line: bytes) -> bool:
        """Whether a line contains one of the ids; nearly all lines begin with their id."""
        if line.startswith(_START):
            end = line.find(b'"', len(_START))
            name = line[len(_START) : end]
            if b"\\" not in name:
                return name in self._plain
        return any(b"\\" in one or one.strip(b'"') in self._plain for one in _ID.findall(line))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as lines:
            yield from lines
    except OSError:  # the file has been removed since
        return


def _row(line: bytes) -> Row | None:
    try:
        row = loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _id_of(line: bytes) -> str | None:
    if line.startswith(_START) and line.endswith(b"}\n"):
        end = line.find(b'"', len(_START))
        if end > 0 and b"\\" not in line[len(_START) : end]:
            return line[len(_START) : end].decode(errors="replace")
    row = _row(line)
    return None if row is None or row.get("id") is None else str(row["id"])
