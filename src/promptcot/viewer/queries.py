"""Selects the problems of a list: the filter in an address, as SQL over the index.

Lists are paged by key, so the hundredth page takes no longer than the first, and the neighbours of a problem are found
without a list. Counts stop at `MOST_COUNTED`. Every value is a parameter of the SQL statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlencode

from promptcot.storage.json import dumps, loads
from promptcot.viewer.tables import clean, key_of, meta, set_meta, transaction

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
_SORTED_BY = {
    **{"agreement": "agreement_up", "-agreement": "agreement"},
    **{"pass_rate": "pass_rate_up", "-pass_rate": "pass_rate", "level": "level_up"},
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
    """The filter in an address. `given` has the fields that are filled in, as they were typed."""

    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Filter:
        """The filter of these fields, without those that are empty or unknown."""
        kept = {name: " ".join(clean(fields.get(name)).split())[:_LONGEST] for name in FIELDS}
        return cls({name: text for name, text in kept.items() if text})

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, "")

    def without(self, *names: str) -> Filter:
        return replace(self, given={name: text for name, text in self.given.items() if name not in names})

    def address(self, **more: object) -> str:
        """The query string of this filter."""
        return urlencode({**self.given, **{name: str(value) for name, value in more.items() if value is not None}})

    @property
    def not_numbers(self) -> list[str]:
        """The bounds that are not numbers from 0 to 1. They are not applied."""
        return [self[name] for name in _BOUNDS if name in self.given and _share(self[name]) is None]

    @property
    def sort(self) -> tuple[str, bool]:
        """The column, and whether the highest value comes first. Unknown values come last in both directions."""
        return _SORTED_BY.get(self["sort"], "number"), self["sort"] in _SORTED_BY and self["sort"].startswith("-")


@dataclass(frozen=True)
class Entry:
    """The row of a problem in a list."""

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


_COLUMNS = ", ".join(f"problem.{column.name}" for column in fields(Entry))

TEMPORARY = """
CREATE TEMP TABLE review (number INTEGER PRIMARY KEY, decision TEXT, note TEXT);
CREATE TEMP TABLE reviewer (number INTEGER, name TEXT, PRIMARY KEY (number, name)) WITHOUT ROWID;
CREATE VIRTUAL TABLE temp.syntax USING fts5 (problem, rationale, concepts, answer);
"""
"""Tables of a connection: the latest reviews, everybody who reviewed a problem, and an empty table that shows whether
FTS5 can parse a query."""


class Lists:
    """Lists of problems, and the values of filters. The connection has the `TEMPORARY` tables."""

    def __init__(self, index: sqlite3.Connection) -> None:
        self._index = index

    def page(
        self, wanted: Filter, after: int | None = None, before: int | None = None, most: int = PAGE
    ) -> list[Entry]:
        """The problems after or before a problem, in the order of the filter."""
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
        entries = [Entry(*row) for row in rows]
        return entries[::-1] if back else entries

    def count(self, wanted: Filter) -> int:
        """The number of problems, at most one more than `MOST_COUNTED`."""
        conditions, values, is_all = self._where(wanted)
        if is_all:
            return self.total()
        select = _select(wanted).replace(_COLUMNS, "1")
        rows = self._rows(
            f"SELECT COUNT(*) FROM ({select} WHERE {_all(conditions)} LIMIT ?)", [*values, MOST_COUNTED + 1]
        )
        return int(rows[0][0])

    def total(self) -> int:
        """The number of all problems of the run."""
        return sum(count for _, count in self.values("fate"))

    def number_of(self, row_id: str) -> int | None:
        """The number of a problem, by its id."""
        rows = self._rows("SELECT number FROM problem JOIN row USING (number) WHERE row.id = ?", [key_of(row_id)])
        return int(rows[0][0]) if rows else None

    def texts(self, numbers: Sequence[int]) -> dict[int, tuple[str, list[str]]]:
        """The text and the concepts of these problems."""
        marks = ", ".join("?" * len(numbers))
        rows = self._rows(f"SELECT rowid, problem, concepts FROM text WHERE rowid IN ({marks})", numbers)
        return {number: (problem, concepts.split("\n") if concepts else []) for number, problem, concepts in rows}

    def values(self, column: str) -> list[tuple[str, int]]:
        """The most frequent values of a column, each with the number of its problems."""
        counts = loads((meta(self._index, "values") or "{}").encode())
        return [(text, count) for text, count in counts.get(column, [])]

    def concepts(self, most: int = 1000) -> list[str]:
        """Concepts to choose from."""
        return [name for (name,) in self._rows(f"SELECT name FROM concept ORDER BY name LIMIT {most}")]

    def matching(self, words: str) -> str:
        """The FTS5 query for a search. What FTS5 cannot parse is searched for word by word.

        A leading `*` would be one of FTS5's internal commands.
        """
        if words.startswith("*"):
            return " ".join(_quoted(words))
        try:
            self._index.execute("SELECT 1 FROM temp.syntax WHERE syntax MATCH ?", (words,)).fetchall()
        except sqlite3.OperationalError:
            return " ".join(_quoted(words))
        return words

    def _where(self, wanted: Filter) -> tuple[list[str], list[Any], bool]:
        conditions = [*self._conditions(wanted)]
        values = [value for _, values in conditions for value in values]
        return [condition for condition, _ in conditions], values, not conditions

    def _conditions(self, wanted: Filter) -> Iterator[tuple[str, list[Any]]]:
        """Conditions in SQL with their values. A `+` prevents the use of an index that would require sorting."""
        if wanted["q"]:
            yield "text MATCH ?", [self.matching(wanted["q"])]
        for name in _EQUAL:
            if wanted[name]:
                yield f"problem.{name} = ?", [wanted[name]]
        if wanted["concept"]:
            inner, line = "SELECT rowid FROM text WHERE instr(char(10) || concepts || char(10), ?)", wanted["concept"]
            if any(letter.isalnum() for letter in line):  # else FTS5 finds no word in it
                yield f"problem.number IN ({inner} AND text MATCH ?)", [f"\n{line}\n", f"concepts: {_quote(line)}"]
            else:
                yield f"problem.number IN ({inner})", [f"\n{line}\n"]
        for name, bound in _BOUNDS.items():
            share = _share(wanted[name])
            if share is not None:
                yield f"+problem.{bound} ?", [share]
                yield f"+problem.{bound.split()[0]} >= 0", []
        if wanted["review"] in _REVIEWED:
            yield _REVIEWED[wanted["review"]], []
        if wanted["by"]:
            yield "problem.number IN (SELECT number FROM temp.reviewer WHERE name = ?)", [wanted["by"]]

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._index.execute(statement, values).fetchall()


def count_values(index: sqlite3.Connection) -> None:
    """Store the number of problems with each value for `Lists.values`, because counting a million takes long."""
    counts = {}
    for column in _EQUAL:
        named = "" if column == "fate" else f"WHERE {column} <> ''"
        grouped = f"SELECT {column}, COUNT(*) AS count FROM problem {named} GROUP BY {column} ORDER BY count DESC, 1"
        counts[column] = index.execute(f"{grouped} LIMIT {_MOST_VALUES}").fetchall()
    with transaction(index):
        set_meta(index, "values", dumps(counts).decode())
        set_meta(index, "counted", "yes")


def _select(wanted: Filter) -> str:
    """The rows of a list. FTS5 returns matches in the order of the run; for any other order they are all sorted."""
    if not wanted["q"]:
        return f"SELECT {_COLUMNS} FROM problem"
    return f"SELECT {_COLUMNS} FROM text CROSS JOIN problem ON problem.number = text.rowid"


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "1"


def _quoted(words: str) -> Iterator[str]:
    """The words and the quoted phrases of a search, each quoted for FTS5. A star after a word is kept."""
    for place, part in enumerate(words.split('"')):
        if place % 2:
            yield _quote(part)
        else:
            for word in part.split():
                yield _quote(word.rstrip("*")) + ("*" if word.endswith("*") and word.strip("*") else "")


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _share(text: str) -> float | None:
    """A number from 0 to 1, or a percentage; None for anything else."""
    is_percentage = text.endswith("%")
    try:
        share = float(text.removesuffix("%").replace(",", ".")) / (100 if is_percentage else 1)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
