"""Which problems a list shows: the filter of an address, as SQL over the index.

Lists are paged by the key of their last problem, so that the hundredth page takes no longer than the first, and
neighbours are found without a list. Counts stop at `MOST_COUNTED`. Every value is a parameter of the statement.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from promptcot.storage.json import dumps, loads
from promptcot.viewer.tables import clean, meta, set_meta

MOST_COUNTED = 10_000
PAGE = 50
SORTS = {
    "": "order of the run",
    "agreement": "agreement, lowest first",
    "-agreement": "agreement, highest first",
    "pass_rate": "pass rate, lowest first",
    "-pass_rate": "pass rate, highest first",
    "level": "level",
}
REVIEWS = ("unreviewed", "reviewed", "accepted", "rejected", "with a note")
_EQUAL = ("level", "verdict", "validity", "fate", "reason")
_BOUNDS = {"agreement_from": "agreement >=", "agreement_to": "agreement <=", "pass_rate_from": "pass_rate >="}
_BOUNDS |= {"pass_rate_to": "pass_rate <="}
FIELDS = ("q", *_EQUAL, "concept", *_BOUNDS, "review", "by", "sort")
_LONGEST = 1000
_MOST_VALUES = 200
_REVIEWED = {
    "unreviewed": "problem.number NOT IN (SELECT number FROM temp.review)",
    "reviewed": "problem.number IN (SELECT number FROM temp.review)",
    "accepted": "problem.number IN (SELECT number FROM temp.review WHERE decision = 'accept')",
    "rejected": "problem.number IN (SELECT number FROM temp.review WHERE decision = 'reject')",
    "with a note": "problem.number IN (SELECT number FROM temp.review WHERE note IS NOT NULL)",
}


@dataclass(frozen=True)
class Filter:
    """What an address asks for: `given` has the fields of a form that are filled in, as they were typed."""

    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Filter:
        """The filter of these fields; those that are not known or empty are left out."""
        kept = {name: fields.get(name, "").strip()[:_LONGEST] for name in FIELDS}
        return cls({name: clean(text) for name, text in kept.items() if text})

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, "")

    def without(self, *names: str) -> Filter:
        return replace(self, given={name: text for name, text in self.given.items() if name not in names})

    def address(self, **more: object) -> str:
        """The query of an address for this filter."""
        return urlencode({**self.given, **{name: str(value) for name, value in more.items() if value is not None}})

    @property
    def not_numbers(self) -> list[str]:
        """The bounds that are no numbers; they are not applied."""
        return [self[name] for name in _BOUNDS if name in self.given and _number(self[name]) is None]

    @property
    def sort(self) -> tuple[str, bool]:
        """The column, and whether the highest comes first."""
        name = self["sort"] if self["sort"] in SORTS else ""
        return name.removeprefix("-") or "number", name.startswith("-")


@dataclass(frozen=True)
class Entry:
    """What a list shows of a problem."""

    number: int
    id: str
    level: str
    verdict: str
    verdicts: str
    validity: str
    agreement: float
    pass_rate: float
    n: int
    fate: str
    reason: str
    answer: str


SYNTAX = "CREATE VIRTUAL TABLE temp.syntax USING fts5 (problem, rationale, concepts, answer)"
"""An empty table that says whether FTS5 can read a query, before a million rows are asked."""


class Lists:
    """Lists of problems and what stands beside them. `temp.review` has the reviews, by number; `SYNTAX` was made."""

    def __init__(self, index: sqlite3.Connection) -> None:
        self._index = index

    def page(
        self, wanted: Filter, after: int | None = None, before: int | None = None, most: int = PAGE
    ) -> list[Entry]:
        """The problems behind one, or before one, in the order of the filter."""
        column, falls = wanted.sort
        conditions, values, _ = self._where(wanted)
        back = before is not None
        anchor = before if back else after
        if anchor is not None:
            key = "(problem.number)" if column == "number" else f"(problem.{column}, problem.number)"
            names = "number" if column == "number" else f"{column}, number"
            conditions.append(f"{key} {'<' if back != falls else '>'} (SELECT {names} FROM problem WHERE number = ?)")
            values.append(anchor)
        way = "DESC" if back != falls else "ASC"
        order = f"problem.number {way}" if column == "number" else f"problem.{column} {way}, problem.number {way}"
        rows = self._rows(f"{_select(wanted)} WHERE {_all(conditions)} ORDER BY {order} LIMIT ?", [*values, most])
        found = [Entry(*row) for row in rows]
        return found[::-1] if back else found

    def count(self, wanted: Filter) -> int:
        """How many problems there are, at most one more than `MOST_COUNTED`."""
        conditions, values, is_all = self._where(wanted)
        if is_all:
            return self.total()
        select = _select(wanted).replace("problem.*", "1")
        found = self._rows(
            f"SELECT COUNT(*) FROM ({select} WHERE {_all(conditions)} LIMIT ?)", [*values, MOST_COUNTED + 1]
        )
        return int(found[0][0])

    def total(self) -> int:
        """All problems of the run."""
        return sum(count for _, count in self.values("fate"))

    def number_of(self, row_id: str) -> int | None:
        """The number of a problem, by its id."""
        found = self._rows("SELECT number FROM problem JOIN row USING (number) WHERE row.id = ?", [clean(row_id)])
        return int(found[0][0]) if found else None

    def texts(self, numbers: Sequence[int]) -> dict[int, tuple[str, list[str]]]:
        """The text and the concepts of these problems."""
        marks = ", ".join("?" * len(numbers))
        rows = self._rows(f"SELECT rowid, problem, concepts FROM text WHERE rowid IN ({marks})", numbers)
        return {number: (problem, concepts.split("\n") if concepts else []) for number, problem, concepts in rows}

    def values(self, column: str) -> list[tuple[str, int]]:
        """The values of a column that lists are filtered by, with how many problems have each; the most frequent."""
        found = loads((meta(self._index, "values") or "{}").encode())
        return [(text, count) for text, count in found.get(column, [])]

    def concepts(self, most: int = 1000) -> list[str]:
        """Concepts to choose from."""
        return [name for (name,) in self._rows(f"SELECT name FROM concept ORDER BY name LIMIT {most}")]

    def matching(self, words: str) -> str:
        """A query of FTS5 for what was typed: as it is where FTS5 reads it, else each word as it stands."""
        try:
            self._index.execute("SELECT 1 FROM temp.syntax WHERE syntax MATCH ?", (words,)).fetchall()
        except sqlite3.OperationalError:
            return " ".join(_quoted(words))
        return words

    def _where(self, wanted: Filter) -> tuple[list[str], list[Any], bool]:
        found = [*self._conditions(wanted)]
        values = [value for _, values in found for value in values]
        return [condition for condition, _ in found], values, not found

    def _conditions(self, wanted: Filter) -> Iterator[tuple[str, list[Any]]]:
        """SQL and its values. A `+` keeps an index from being used that would have to be sorted afterwards."""
        if wanted["q"]:
            yield "text MATCH ?", [self.matching(wanted["q"])]
        for name in _EQUAL:
            if wanted[name]:
                yield f"problem.{name} = ?", [wanted[name]]
        if wanted["concept"]:
            phrase = "concepts: " + _quote(wanted["concept"])
            inner = "SELECT rowid FROM text WHERE text MATCH ? AND instr(char(10) || concepts || char(10), ?)"
            yield f"problem.number IN ({inner})", [phrase, f"\n{wanted['concept']}\n"]
        for name, bound in _BOUNDS.items():
            number = _number(wanted[name])
            if number is not None:
                yield f"+problem.{bound} ?", [number]
                yield f"+problem.{bound.split()[0]} >= 0", []
        if wanted["review"] in _REVIEWED:
            yield _REVIEWED[wanted["review"]], []
        if wanted["by"]:
            yield "problem.number IN (SELECT number FROM temp.review WHERE reviewer = ?)", [wanted["by"]]

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._index.execute(statement, values).fetchall()


def count_values(index: sqlite3.Connection) -> None:
    """Write down how many problems have each value, for `Lists.values`: to count a million takes a while."""
    found = {}
    for column in _EQUAL:
        named = "" if column == "fate" else f"WHERE {column} <> ''"
        grouped = f"SELECT {column}, COUNT(*) AS count FROM problem {named} GROUP BY {column} ORDER BY count DESC, 1"
        found[column] = index.execute(f"{grouped} LIMIT {_MOST_VALUES}").fetchall()
    set_meta(index, "values", dumps(found).decode())


def _select(wanted: Filter) -> str:
    """In the order of the run, full text search gives its rows one by one; otherwise all of them are looked up."""
    if not wanted["q"]:
        return "SELECT problem.* FROM problem"
    return "SELECT problem.* FROM text CROSS JOIN problem ON problem.number = text.rowid"


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "1"


def _quoted(words: str) -> Iterator[str]:
    """Each word for itself, phrases in quotes as phrases; a star behind a word stands for its rest."""
    for place, part in enumerate(words.split('"')):
        if place % 2:
            yield _quote(part)
        else:
            for word in part.split():
                yield _quote(word.rstrip("*")) + ("*" if word.endswith("*") and word.strip("*") else "")


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _number(text: str) -> float | None:
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        return None
    return found if math.isfinite(found) else None
