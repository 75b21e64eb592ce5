"""The step `filter`: keeps problems by the verdicts of their judges, and measures the judges' agreement.

In a run the row carries the verdicts. Judged files are joined by row id: the first file is streamed, and only the ids
and verdicts of the others are kept, in SQLite, so that memory does not grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.core.filtering import bring_back, decide, training_row, verdict_of
from promptcot.core.remedies import shown
from promptcot.core.shards import AFTER_ALL, EVERYTHING, Part
from promptcot.core.statistics.agreement import Agreements
from promptcot.errors import InputError, UnfitRow
from promptcot.records import SOURCE_INDEX, Drop, Failed, Row
from promptcot.storage.outputs import Output
from promptcot.storage.rows import hash_id, read_rows, with_ids

_MOST_SHOWN = 60


class Filter:
    """Decides by the `judgements` of a row, a verdict for each of `judges`; at least `needed` must be there."""

    name = "filter"

    def __init__(self, judges: Sequence[str], only_perfect: bool = True, needed: int | None = None) -> None:
        self.agreements = Agreements(tuple(judges))
        self._only_perfect = only_perfect
        self._needed = len(judges) if needed is None else needed

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The row, or a drop with the reason of `core.filtering`."""
        verdicts = row["judgements"]
        self.agreements.add(verdicts)
        reason = decide([*verdicts.values()], self._only_perfect, self._needed)
        return Drop(reason) if reason else [row]

    def finish(self) -> Sequence[Row]:
        """No rows: nothing is held back."""
        return ()

    def summary(self) -> Mapping[str, Any]:
        """The step's part of the run's summary."""
        return {"agreement": self.agreements.summary()}


def filter_files(
    paths: Sequence[Path], output: Output, only_perfect: bool, n_rewards: int | None, part: Part = EVERYTHING
) -> Agreements:
    """Filter judged files, or a part of them, into an output. The caller commits it.

    Raises InputError for files that are not judged.
    """
    output.placed = part.shard is not None
    with Joined(paths, placed=part.whole or part.kept) as joined:
        step = Filter(joined.names, only_perfect, n_rewards or len(paths))
        for index, judged in enumerate(joined):
            item = part.item(index, judged.row)
            if item is None:
                continue
            verdicts = {"judgements": judged.verdicts}
            row = {**item.row, **verdicts}
            result = step.apply(row)
            output.add(item.index, row, result if isinstance(result, Drop) else _accepted(item.row, verdicts, index))
    return step.agreements


def _accepted(row: Row, verdicts: Row, index: int) -> list[Row] | Failed:
    """An accepted row; a failure if it has no text to train on. Raises UnfitRow for the first row of a file."""
    try:
        return [{**bring_back(row), **training_row(row), **verdicts}]
    except UnfitRow as error:
        if not index:
            raise
        return Failed("unfit", str(error))


@dataclass(frozen=True)
class Judged:
    """A row with its verdicts, by judge."""

    row: Row
    verdicts: dict[str, str]


class Joined:
    """Joined judged files. `names` are the judges' names, in the order of the files. A context manager.

    Rows come in the order of the first file. Rows missing there follow as bare ids, so that none is lost. If rows are
    `placed`, they have a position too.
    """

    def __init__(self, paths: Sequence[Path], *, placed: bool = False) -> None:
        self._paths = paths
        self._placed = placed
        self.names = _names(paths)
        self._table = sqlite3.connect("")  # a private file that vanishes when it is closed

    def __enter__(self) -> Joined:
        self._table.execute(
            "create table verdicts (id blob, judge int, verdict text, problem int, judged int, "
            "primary key (id, judge)) without rowid"
        )
        for judge, path in enumerate(self._paths):
            named = with_ids(read_rows(path, may_be_empty=True))
            rows = ((_key(row["id"]), judge, verdict_of(row), *map(_hash, _texts(row))) for row in named)
            self._table.executemany("insert into verdicts values (?, ?, ?, ?, ?)", rows)
        self._check()
        return self

    def _check(self) -> None:
        """Raises InputError if the files have different problems under one id."""
        found = self._table.execute(
            "select one.id, one.judge, other.judge from verdicts one join verdicts other on one.id = other.id "
            "and one.judge < other.judge and (one.problem != other.problem or one.judged != other.judged) "
            "order by one.id limit 1"
        ).fetchone()
        if found is None:
            return
        key, *judges = found
        name = key.decode(errors="surrogatepass")
        paths = [self._paths[judge] for judge in judges]
        texts = " and ".join(f"{_begins(path, name)} in {path}" for path in paths)
        raise InputError(
            f"id {name!r} is not the same problem in all files: {texts}; verdicts are joined by id, so give files in "
            "which the judges rated the same rows, each row with its own id"
        )

    def __exit__(self, *_: object) -> None:
        self._table.close()

    def __iter__(self) -> Iterator[Judged]:
        for row in with_ids(read_rows(self._paths[0], may_be_empty=True)):
            yield Judged(row, self._verdicts(row["id"]))
        lacking = (
            "select distinct id from verdicts where id not in (select id from verdicts where judge = 0) order by id"
        )
        for (key,) in self._table.execute(lacking).fetchall():
            name = key.decode(errors="surrogatepass")
            place = {SOURCE_INDEX: AFTER_ALL} if self._placed else {}
            yield Judged({"id": name, **place}, self._verdicts(name))

    def _verdicts(self, name: str) -> dict[str, str]:
        rows = self._table.execute("select judge, verdict from verdicts where id = ? order by judge", (_key(name),))
        return {self.names[judge]: verdict for judge, verdict in rows}


def _key(name: str) -> bytes:
    """An id as SQLite can store it: text with half a surrogate pair is refused."""
    return name.encode(errors="surrogatepass")


def _texts(row: Row) -> list[str | None]:
    """The problem and the judged text, if the row has them."""
    return [row[name] if isinstance(row.get(name), str) else None for name in ("problem", "rationale_and_problem")]


def _hash(text: str | None) -> int | None:
    return None if text is None else hash_id(text)


def _begins(path: Path, name: str) -> str:
    """The beginning of a row's problem, for messages."""
    row = next(row for row in with_ids(read_rows(path)) if row["id"] == name)
    return repr(shown(next(filter(None, _texts(row)), ""), _MOST_SHOWN))


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The judges' names in the files; numbered by file if they are missing or the same."""
    firsts = [next(read_rows(path, may_be_empty=True), {}) for path in paths]
    for path, row in zip(paths, firsts, strict=True):
        if row and "judgement" not in row:
            raise InputError(f"{path}: row 1 has no `judgement`; give files that `judge` wrote")
    names = [str(row.get("judge") or f"judge-{number}") for number, row in enumerate(firsts, 1)]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return tuple(names)
