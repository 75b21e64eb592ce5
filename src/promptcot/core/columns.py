"""Maps the columns of a file to our fields.

The layout of a file (`core.layouts`) is recognized by its first rows; `--columns` overrides it. Our own field names
have precedence over the layout's columns. Other columns are passed through unchanged. One line reports the mapping.
Rows that do not fit are passed on unchanged, and refused by name where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain, islice
from typing import Any

from promptcot.core.layouts import LAYOUTS, Layout, Take, column, the
from promptcot.errors import InputError, UsageError
from promptcot.records import Row

OURS = (
    *("id", "problem", "answer", "reference_solution", "prompt", "completion", "messages"),
    *("concepts", "foundational_concepts", "level", "source", "rationale", "reasoning_content", "finish_reason"),
    *("label", "agreement", "pass_rate", "n", "model"),
    *("chosen", "rejected"),
)
"""The fields that `--columns` can map."""

_PROBLEM = ("problem", "answer", "reference_solution")
_SOURCED = (*_PROBLEM, "source")
_SHOWN_FIELDS = 20
_LOOKED_AT = 20
"""The number of rows by which a file's layout is recognized: a single row may lack a field."""


def parse(text: str) -> dict[str, str]:
    """The mapping from our fields to columns, from `OURS=THEIRS,…`. Raises UsageError."""
    mapping: dict[str, str] = {}
    for part in text.split(","):
        ours, equals, theirs = (piece.strip() for piece in part.partition("="))
        if not (equals and ours and theirs):
            raise UsageError(f"columns: {part.strip()!r} is not FIELD=COLUMN, such as problem=question,answer=gold")
        if ours in mapping:
            raise UsageError(f"columns: {ours} is named twice")
        mapping[ours] = theirs
    return checked(mapping)


def checked(given: Mapping[str, str]) -> dict[str, str]:
    """The same mapping. Raises UsageError for an unknown field."""
    for ours in given:
        if ours not in OURS:
            near = get_close_matches(ours, OURS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"columns: {ours!r} is not one of our fields; {hint}the fields are {', '.join(OURS)}")
    return dict(given)


def fields_of(row: Row) -> str:
    """The names of a row's fields, for errors: "it has `question`, `gold` (null)"."""
    names = [f"`{name}`{' (null)' * (value is None)}" for name, value in row.items() if name != "id"]
    more = f" and {len(names) - _SHOWN_FIELDS} more" if len(names) > _SHOWN_FIELDS else ""
    return f"it has {', '.join(names[:_SHOWN_FIELDS]) or 'no field but `id`'}{more}"


def _silent(line: str) -> None:
    """Discard the line."""


@dataclass(frozen=True)
class Columns:
    """Maps the rows of files. `given` has columns by our field; `tell` is called once with a line about the mapping.

    Each method reads the rows of one file, and raises InputError if its first rows lack a column of `given`.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    tell: Callable[[str], None] = _silent
    _told: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def problems(self, rows: Iterable[Row], *, source: str | None = None) -> Iterator[tuple[int, Row]]:
        """Rows of problems, each with its number in the file from 1: `problem`, and `answer` if the layout has one.

        If the layout is known and the rows name no `source`, the argument `source` is used.
        """
        for number, reading, row in self._read(rows, _SOURCED if source else _PROBLEM, source=source):
            yield number, reading.row(row)

    def traces(self, rows: Iterable[Row], *, sourced: bool = False) -> Iterator[tuple[int, Row]]:
        """Like `problems`, with a trace in `completion`; a row with several traces becomes several rows with `sample`.

        `sourced`: if the rows name no `source`, it is the name of the layout.
        """
        wanted = _SOURCED if sourced else _PROBLEM
        for number, reading, row in self._read(rows, (*wanted, "completion")):
            for one in reading.rows(row):
                yield number, one

    def chats(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Training rows: rows with neither `messages` nor a pair in our fields get `messages`.

        These are the problem and its trace, or its solution if the layout has no trace; several traces of a row become
        several rows.
        """
        for _, reading, row in self._read(rows, ("problem", "completion", "messages"), learnt=True):
            yield from reading.chats(row)

    def prompts(self, rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
        """Like `problems`, but the question in `prompt` or `messages` is not taken as the problem."""
        stream = iter(rows)
        first = list(islice(stream, _LOOKED_AT))
        asked = any(row.get(name) is not None for row in first for name in ("prompt", "messages"))
        for number, reading, row in self._read(chain(first, stream), _PROBLEM[1:] if asked else _PROBLEM):
            yield number, reading.row(row)

    def pairs(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows of a chosen and a rejected answer; only `--columns` can rename these columns."""
        for _, reading, row in self._read(rows, ()):
            yield reading.row(row)

    def concepts(self, rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
        """Rows with lists of concepts, each with its number; no layout is known for them."""
        for number, reading, row in self._read(rows, ()):
            yield number, reading.row(row)

    def tell_once(self, line: str) -> None:
        """Report a line about a file once, even if the file is read several times."""
        if line not in self._told:
            self._told.add(line)
            self.tell(line)

    def _read(
        self, rows: Iterable[Row], wanted: tuple[str, ...], learnt: bool = False, source: str | None = None
    ) -> Iterator[tuple[int, _Reading, Row]]:
        stream = iter(rows)
        first = list(islice(stream, _LOOKED_AT))
        if not first:
            return
        typical = _typical(first)
        reading = _Reading.of(typical, self.given, wanted, learnt, source)
        line = reading.line(typical)
        if line is not None:
            self.tell_once(line)
        for number, row in enumerate(chain(first, stream), 1):
            yield number, reading, row


def _typical(rows: Sequence[Row]) -> Row:
    """Each field with its first value that is not null, or null if there is none."""
    typical: Row = {}
    for row in rows:
        typical |= {name: value for name, value in row.items() if typical.get(name) is None}
    return typical


@dataclass(frozen=True, slots=True)
class _Reading:
    """The mapping of one file. `given` always applies, `takes` only if a row lacks the field.

    `typical` is a row with all fields of the file's first rows.
    """

    layout: Layout | None
    given: Mapping[str, Take]
    takes: Mapping[str, Take]
    learnt: bool

    @classmethod
    def of(
        cls, typical: Row, given: Mapping[str, str], wanted: tuple[str, ...], learnt: bool, source: str | None
    ) -> _Reading:
        for ours, theirs in given.items():
            if column(typical, theirs) is None:
                raise InputError(f"columns: {ours}={theirs}, but the first row has no {theirs!r}: {fields_of(typical)}")
        layout = next((one for one in LAYOUTS if one.fits(typical)), None)
        takes = {} if layout is None else {ours: take for ours, take in layout.takes.items() if ours in wanted}
        trace = takes.get("completion")
        if learnt and layout is not None and layout.solution is not None and (trace is None or trace(typical) is None):
            takes["completion"] = layout.solution
        if learnt and "messages" in takes:
            takes = {"messages": takes["messages"]}
        mapping = cls(layout, {ours: the(theirs) for ours, theirs in given.items()}, takes, learnt)
        if layout is None or "source" not in wanted or _is_text(mapping.row(typical).get("source")):
            return mapping
        name = source or layout.name
        return replace(mapping, takes={**takes, "source": Take((), lambda: name, repr(name))})

    def row(self, row: Row) -> Row:
        """The row with our fields."""
        fields = {ours: take(row) for ours, take in self.takes.items() if take.replaces or not _has(row, ours)}
        fields = {ours: value for ours, value in fields.items() if value is not None}
        named = {ours: take(row) for ours, take in self.given.items()}
        if not fields and not named:
            return row
        left = {name: value for name, value in row.items() if name not in named}
        return {**left, **fields, **{ours: value for ours, value in named.items() if value is not None}}

    def rows(self, row: Row) -> list[Row]:
        """The row with our fields, once for each trace that it has."""
        one = self.row(row)
        traces = one.get("completion")
        if not (isinstance(traces, list) and traces and all(isinstance(trace, str) for trace in traces)):
            return [one]
        return [{**one, "sample": sample, "completion": trace} for sample, trace in enumerate(traces)]

    def chats(self, row: Row) -> list[Row]:
        """The row, or rows with `messages`."""
        return [row] if self._is_ours(row) else list(map(_chat, self.rows(row)))

    def line(self, typical: Row) -> str | None:
        """The mapping in words; None if the rows have our fields and nothing is mapped."""
        mapped = typical if self.learnt and self._is_ours(typical) else self.row(typical)
        if mapped is typical:
            return None
        took = {"problem": the("problem"), **self.takes, **self.given}
        pairs = [f"{ours} = {self._from(ours, typical, took)}" for ours in OURS if ours in mapped and ours in took]
        if self.layout is None:
            return f"rows are read as --columns says: {', '.join(pairs)}"
        return f"rows look like {self.layout.name}{', but for --columns' * bool(self.given)}: {', '.join(pairs)}"

    def _from(self, ours: str, typical: Row, took: Mapping[str, Take]) -> str:
        own = ours not in self.given and _has(typical, ours) and not took[ours].replaces
        return ours if own else took[ours].told(typical)

    def _is_ours(self, row: Row) -> bool:
        """Whether a row has training data in our fields."""
        return not self.given and (row.get("messages") is not None or _is_pair(row))


def _has(row: Row, ours: str) -> bool:
    """Whether a row has this field. A problem may be a raw prompt; a list of messages does not count as text."""
    if ours == "problem":
        return _is_text(row.get("problem")) or _is_text(row.get("prompt"))
    if ours in ("completion", "source"):
        return _is_text(row.get(ours))
    return row.get(ours) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_pair(row: Row) -> bool:
    return row.get("prompt") is not None and row.get("completion") is not None


def _chat(row: Row) -> Row:
    """A row with the problem and its trace as a chat, if it has both and no chat or pair of its own."""
    problem, completion = row.get("problem"), row.get("completion")
    if row.get("messages") is not None or _is_pair(row) or not (_is_text(problem) and _is_text(completion)):
        return row
    messages = [{"role": "user", "content": problem}, {"role": "assistant", "content": completion}]
    return {**{name: value for name, value in row.items() if name != "completion"}, "messages": messages}
