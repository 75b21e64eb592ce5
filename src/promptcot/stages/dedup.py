"""The step `dedup`: leaves out copies of problems, and says of which, by which rule and how alike they are.

Decides which of two copies stays. As rows come, it is the first; of a whole file the one that the judges liked best,
and of these the one with the smallest id, so that the order of the file does not matter. A copy always names a row that
stays. What a copy is, is decided in `core.overlap.near`, which pairs are looked at in `copies`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.core.overlap.near import NEAR, Text
from promptcot.core.problems import problem_of
from promptcot.records import Drop, Dropped, Row
from promptcot.stages.copies import Copies, Copy
from promptcot.storage.json import dumps, loads

EMPTY = "no problem text"
REASONS = {"exact": "exact copy", "containment": "embedded copy", "semantic": "semantic copy"}
NEAR_COPY = "near copy"
"""The reason for all other rules."""


class Dedup:
    """Leaves out rows whose problem is a copy of another one's.

    Two texts are copies when they are `near` alike (`core.overlap.near`); with `mask_numbers`, problems that differ in
    numbers only are too. With `best`, all rows are held until the last has come, and the best of copies stays.
    """

    name = "dedup"

    def __init__(self, folder: Path, near: float = NEAR, mask_numbers: bool = False, *, best: bool = False) -> None:
        self._copies = Copies(folder / "texts", near, mask_numbers)
        self._held = _Held(folder / "rows.sqlite") if best else None
        self._rows = 0
        self._rules: Counter[str] = Counter()
        self._mask_numbers = mask_numbers

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The row, or why it is left out. Raises UnfitRow where the row has no field with a problem."""
        self._rows += 1
        text = self._copies.text(_problem(row))
        if not text.line:
            return Drop(EMPTY)
        if self._held is not None:
            self._held.add(row)
            return []
        return self._decided(row, text) or [row]

    def finish(self) -> Iterable[Row | Dropped]:
        """The rows that were held, those that stay and those that are copies, in the order in which they came."""
        return self._best() if self._held is not None else ()

    def _best(self) -> Iterator[Row | Dropped]:
        assert self._held is not None
        for place, row in self._held.best_first():
            drop = self._decided(row, self._copies.text(_problem(row)))
            if drop is not None:
                self._held.leave_out(place, drop)
        yield from self._held.decided()

    def _decided(self, row: Row, text: Text) -> Drop | None:
        copy = self._copies.take(text, str(row.get("id")))
        return None if copy is None else self._left_out(copy)

    def _left_out(self, copy: Copy) -> Drop:
        rule = copy.alike.rule
        self._rules[rule] += 1
        details = {"copy_of": copy.of, "rule": rule, "similarity": round(copy.alike.similarity, 3)}
        return Drop(REASONS.get(rule, NEAR_COPY), details=details)

    def close(self) -> None:
        """Let go of the files."""
        self._copies.close()
        if self._held is not None:
            self._held.close()

    def summary(self) -> Mapping[str, Any]:
        """What a run's summary says of it: copies by rule, how many differ in numbers only, how often it looked at less
        than all that was likely.
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


def _problem(row: Row) -> str:
    """The text of a row's problem; a blank one is empty, and what else the row holds is none."""
    text = row.get("problem")
    return text if isinstance(text, str) else problem_of(row, f"row {row.get('id')}")


class _Held:
    """Rows on disk, in the order in which they came, with what becomes of them."""

    def __init__(self, path: Path) -> None:
        self._table = sqlite3.connect(path, isolation_level=None)
        self._table.execute("pragma journal_mode=off")
        self._table.execute("pragma synchronous=off")
        self._table.execute("create table held (place integer primary key, liked int, id text, row blob, why blob)")
        self._table.execute("begin")

    def close(self) -> None:
        """Let go of the file."""
        self._table.close()

    def add(self, row: Row) -> None:
        """Hold one more."""
        told = (_liked(row), str(row.get("id")), dumps(row))
        self._table.execute("insert into held (liked, id, row) values (?, ?, ?)", told)

    def best_first(self) -> Iterator[tuple[int, Row]]:
        """Place and row; rows that are equal in all that counts in the order of their texts."""
        order = self._table.execute("select place from held order by liked desc, id, row").fetchall()
        for (place,) in order:
            yield place, self._row(place)

    def leave_out(self, place: int, drop: Drop) -> None:
        """Note why a row does not stay."""
        self._table.execute("update held set why = ? where place = ?", (dumps([drop.reason, drop.details]), place))

    def decided(self) -> Iterator[Row | Dropped]:
        """The rows as they came."""
        for row, why in self._table.execute("select row, why from held order by place"):
            yield loads(row) if why is None else Dropped(loads(row), Drop(loads(why)[0], details=loads(why)[1]))

    def _row(self, place: int) -> Row:
        row: Row = loads(self._table.execute("select row from held where place = ?", (place,)).fetchone()[0])
        return row


def _liked(row: Row) -> int:
    """How many verdicts and ratings of a row are perfect."""
    verdicts, ratings = row.get("judgements"), row.get("ratings")
    said = [*verdicts.values()] if isinstance(verdicts, dict) else [row.get("judgement")]
    rated = [*ratings.values()] if isinstance(ratings, dict) else []
    return sum(word == "perfect" for word in [*said, *rated])
