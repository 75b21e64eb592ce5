"""The step `filter` over files: the verdicts of several judges on the same problems, joined by row id.

The first file is streamed; of the others only ids and verdicts are kept, in SQLite, so that memory does not grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.filtering import verdict_of
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.rows import read_rows, with_ids


@dataclass(frozen=True)
class Judged:
    """A row with the verdicts of all judges that have one, by judge."""

    row: Row
    verdicts: dict[str, str]


class Joined:
    """Judged files, joined. `names` are the judges', in the order of the files; a context manager.

    Rows come in the order of the first file; those that it lacks follow as bare ids, so that none disappears.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.names = _names(paths)
        self._table = sqlite3.connect("")  # a private file that vanishes when it is closed

    def __enter__(self) -> Joined:
        self._table.execute(
            "create table verdicts (id text, judge int, verdict text, primary key (id, judge)) without rowid"
        )
        for judge, path in enumerate(self._paths):
            rows = ((row["id"], judge, verdict_of(row)) for row in with_ids(read_rows(path)))
            self._table.executemany("insert into verdicts values (?, ?, ?)", rows)
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()

    def __iter__(self) -> Iterator[Judged]:
        for row in with_ids(read_rows(self._paths[0])):
            yield Judged(row, self._verdicts(row["id"]))
        lacking = (
            "select distinct id from verdicts where id not in (select id from verdicts where judge = 0) order by id"
        )
        for (name,) in self._table.execute(lacking).fetchall():
            yield Judged({"id": name}, self._verdicts(name))

    def _verdicts(self, name: str) -> dict[str, str]:
        found = self._table.execute("select judge, verdict from verdicts where id = ? order by judge", (name,))
        return {self.names[judge]: verdict for judge, verdict in found}


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """What the files say their judges are called; numbered by file where they say nothing, or the same."""
    firsts = [next(read_rows(path)) for path in paths]
    for path, row in zip(paths, firsts, strict=True):
        if "judgement" not in row:
            raise InputError(f"{path}: row 1 has no `judgement`; give files that `judge` wrote")
    names = [str(row.get("judge") or f"judge-{number}") for number, row in enumerate(firsts, 1)]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return tuple(names)
