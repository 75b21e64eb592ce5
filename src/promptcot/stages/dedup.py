"""The step `dedup`: drops copies of problems, and records the kept problem, the rule and the similarity.

Decides which of two copies is kept. In a stream it is the first; in a whole file it is the one with the most perfect
ratings, and among equals the one with the smallest id, so that the order of the file does not matter. A copy always
names a row that is kept. `core.overlap.near` decides what a copy is, `copies` which pairs are compared.
"""

from __future__ import annotations

import sqlite3
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.core.overlap.near import NEAR
from promptcot.core.problems import NO_TEXT, problem_or_nothing
from promptcot.records import Drop, Dropped, Row
from promptcot.stages.copies import Copies, Copy
from promptcot.stages.embed import vector_of, without_vector
from promptcot.stages.marking import marked
from promptcot.stages.marks import Marks, marks_of
from promptcot.storage.held_rows import HeldRows
from promptcot.storage.json import dumps, loads

REASONS = {"exact": "exact copy", "containment": "embedded copy", "semantic": "semantic copy"}
NEAR_COPY = "near copy"
"""The reason for all other rules."""
_AT_ONCE, _CHARACTERS_AT_ONCE = 512, 1 << 20
"""The number of held rows that are compared together."""
_MANY = 10_000
"""With this many rows, starting another process pays off."""


class Dedup:
    """Drops rows whose problem is a copy of another row's.

    Two texts are copies when their similarity is at least `near` (`core.overlap.near`); with `mask_numbers` also when
    they differ only in numbers, and with `semantic` when their vectors (`stages.embed`) have at least this cosine. With
    `best`, all rows are held until the end of the input, and the best of several copies is kept. `folder` is for texts
    and rows.
    """

    name = "dedup"

    def __init__(
        self,
        folder: Path,
        near: float = NEAR,
        mask_numbers: bool = False,
        semantic: float | None = None,
        *,
        best: bool = False,
    ) -> None:
        self._copies = Copies(folder, near, mask_numbers, semantic)
        self._held = _Held(folder) if best else None
        self._semantic = semantic is not None
        self._rows = 0
        self._rules: Counter[str] = Counter()
        self._mask_numbers = mask_numbers

    def apply(self, row: Row) -> Sequence[Row] | Dropped:
        """The row, or why it is dropped; nothing while rows are held."""
        self._rows += 1
        if self._held is not None:
            self._held.add(row)
            return []
        (drop,) = self._decided([row], marks_of([problem_or_nothing(row)], self._mask_numbers))
        row = without_vector(row) if self._semantic else row
        return Dropped(row, drop) if drop else [row]

    def finish(self) -> Iterator[Row | Dropped | None]:
        """The held rows, kept ones and copies, in input order."""
        if self._held is None:
            return
        for (places, rows), marks in marked(self._held.best_first(), self._mask_numbers, len(self._held) >= _MANY):
            for place, drop in zip(places, self._decided(rows, marks), strict=True):
                if drop is not None:
                    self._held.leave_out(place, drop)
            yield None
        for row, drop in self._held.decided():
            row = without_vector(row) if self._semantic else row
            yield Dropped(row, drop) if drop else row

    def _decided(self, rows: Sequence[Row], marks: Marks) -> list[Drop | None]:
        """Why each row is dropped, in input order; None for a kept row."""
        drops: list[Drop | None] = [Drop(NO_TEXT)] * len(rows)
        places = [place for place, line in enumerate(marks.lines) if line]
        names = [str(rows[place].get("id")) for place in places]
        vectors = [vector_of(rows[place]) if self._semantic else None for place in places]
        for place, copy in zip(places, self._copies.take(marks.only(places), names, vectors), strict=True):
            drops[place] = None if copy is None else self._left_out(copy)
        return drops

    def _left_out(self, copy: Copy) -> Drop:
        rule = copy.alike.rule
        self._rules[rule] += 1
        details = {"copy_of": copy.of, "rule": rule, "similarity": round(copy.alike.similarity, 3)}
        return Drop(REASONS.get(rule, NEAR_COPY), details=details)

    def close(self) -> None:
        """Close the files of texts and rows."""
        self._copies.close()
        if self._held is not None:
            self._held.close()

    def summary(self) -> Mapping[str, Any]:
        """For the run's summary: copies by rule, the number of rows that differ only in numbers, and the number of rows
        for which not all likely ones were compared.
        """
        numbered = self._rules["numbers"] if self._mask_numbers else self._copies.numbered
        return {
            "copies": {
                "rules": dict(sorted(self._rules.items())),
                "alike_but_for_numbers": numbered,
                "alike_but_for_numbers_share": round(numbered / self._rows, 4) if self._rows else 0.0,
                "mask_numbers": self._mask_numbers,
                "capped": self._copies.capped,
            }
        }


class _Held:
    """Rows on disk, by their places, with their outcomes."""

    def __init__(self, folder: Path) -> None:
        self._rows = HeldRows(folder)
        self._table = sqlite3.connect(folder / "order.sqlite", isolation_level=None)
        self._table.execute("pragma journal_mode=off")
        self._table.execute("pragma synchronous=off")
        self._table.execute("create table rows (place integer primary key, liked int, id text, text int, why blob)")
        self._table.execute("begin")

    def add(self, row: Row) -> None:
        """Hold a row."""
        values = (
            len(self._rows),
            _liked(row),
            str(row.get("id")),
            zlib.crc32(problem_or_nothing(row).encode(errors="replace")),
        )
        self._table.execute("insert into rows (place, liked, id, text) values (?, ?, ?, ?)", values)
        self._rows.add(row)

    def __len__(self) -> int:
        return len(self._rows)

    def best_first(self) -> Iterator[tuple[tuple[list[int], list[Row]], list[str]]]:
        """Places and rows, those with the most perfect ratings first, and their problems, a few hundred at a time.

        The order does not depend on the input order.
        """
        places: list[int] = []
        rows: list[Row] = []
        problems: list[str] = []
        size = 0
        for place in self._order():
            row = self._rows[place]
            places.append(place)
            rows.append(row)
            problems.append(problem_or_nothing(row))
            size += len(problems[-1])
            if len(places) == _AT_ONCE or size > _CHARACTERS_AT_ONCE:
                yield (places, rows), problems
                places, rows, problems, size = [], [], [], 0
        if places:
            yield (places, rows), problems

    def _order(self) -> array[int]:
        places = self._table.execute("select place from rows order by liked desc, id, text")
        return array("q", (place for (place,) in places))

    def leave_out(self, place: int, drop: Drop) -> None:
        """Store why a row is dropped."""
        self._table.execute("update rows set why = ? where place = ?", (dumps([drop.reason, drop.details]), place))

    def decided(self) -> Iterator[tuple[Row, Drop | None]]:
        """The rows in input order, and why dropped ones are dropped."""
        for place, why in self._table.execute("select place, why from rows order by place"):
            reason, details = loads(why) if why else ("", {})
            yield self._rows[place], Drop(reason, details=details) if why else None

    def close(self) -> None:
        """Close the files."""
        self._rows.close()
        self._table.close()


def _liked(row: Row) -> int:
    """How many verdicts and ratings of a row are perfect."""
    verdicts, ratings = row.get("judgements"), row.get("ratings")
    said = [*verdicts.values()] if isinstance(verdicts, dict) else [row.get("judgement")]
    rated = [*ratings.values()] if isinstance(ratings, dict) else []
    return sum(word == "perfect" for word in [*said, *rated])
