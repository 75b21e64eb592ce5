"""The lines of a run's files that belong to some ids.

Each file is read once, whatever the number of ids, and only lines that hold one of them are parsed. Lines that cannot
be read, as in a file that is being written, are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

from promptcot.core.history import SET, Found
from promptcot.inspection.files import RunFiles, StepFiles
from promptcot.records import Row
from promptcot.storage.json import dumps, loads

_START = b'{"id":"'
_ID = re.compile(rb'"id":\s*("(?:[^"\\]|\\.)*"|[^\s,{}\[\]"]+)')


def find(files: RunFiles, ids: Collection[str]) -> Mapping[str, list[Found]]:
    """What the files say of each of these rows, in the order of the steps; a row of the set comes last, as `SET`.

    Without a `set.jsonl`, the set is what came through the last step of a run that has ended.
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


def _files(step: StepFiles) -> Iterator[tuple[Literal["out", "dropped", "failed"], Path]]:
    for outcome, path in (("out", step.rows), ("dropped", step.dropped), ("failed", step.failed)):
        if path is not None:
            yield outcome, path  # type: ignore[misc]


class _Wanted:
    """Some ids, as they stand in lines of JSON."""

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
        """Whether one of the ids stands in a line; nearly all lines begin with theirs."""
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
    except OSError:  # it was removed meanwhile
        return


def _row(line: bytes) -> Row | None:
    try:
        row = loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _id_of(line: bytes) -> str | None:
    if line.startswith(_START):
        end = line.find(b'"', len(_START))
        if end > 0 and b"\\" not in line[len(_START) : end]:
            return line[len(_START) : end].decode(errors="replace")
    row = _row(line)
    return None if row is None or row.get("id") is None else str(row["id"])
