"""What a summary says is true of the problems of the nano world, as the report shows it.

`promptcot.nano.worth` counts. Entries that cannot be read are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptcot.core import fields
from promptcot.nano.truth import SHARES
from promptcot.nano.worth import NAMED
from promptcot.printable import quoted
from promptcot.report.facts import Interval

_MOST_STAGES = 8
_LONGEST_PROBLEM, _LONGEST_WORDS, _LONGEST_NAME = 600, 300, 60


@dataclass(frozen=True, slots=True)
class Stage:
    """The rows of a stage, and how many of them were checked."""

    name: str
    rows: int
    checked: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A share of n rows; n is 0 where a stage has no such rows."""

    share: float | None = None
    interval: Interval | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Shares:
    """A share at each stage."""

    name: str
    shares: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TruthTable:
    """The shares of the stages, side by side."""

    stages: tuple[Stage, ...]
    rows: tuple[Shares, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong row of the result."""

    id: str
    problem: str
    wrong: tuple[str, ...]


def truth_table(truth: Mapping[str, Any]) -> TruthTable | None:
    """The table of a summary's `truth`; None where there is none."""
    found = {str(name): fields.mapping(one) for name, one in fields.mapping(truth.get("stages")).items()}
    found = {name: one for name, one in list(found.items())[:_MOST_STAGES] if fields.whole(one.get("rows"))}
    rows = (Shares(name, tuple(_cell(one.get(key)) for one in found.values())) for key, name in SHARES.items())
    shown = tuple(row for row in rows if any(cell.n for cell in row.shares))
    stages = (
        Stage(quoted(name, _LONGEST_NAME), fields.whole(one.get("rows")) or 0, fields.whole(one.get("checked")) or 0)
        for name, one in found.items()
    )
    return TruthTable(tuple(stages), shown) if shown else None


def wrong_rows(truth: Mapping[str, Any]) -> Iterator[Wrong]:
    """The wrong rows that a summary names."""
    listed = truth.get("wrong")
    for row in map(fields.mapping, listed[:NAMED] if isinstance(listed, list) else ()):
        said = row.get("wrong")
        words = (
            tuple(quoted(one, _LONGEST_WORDS) for one in said if isinstance(one, str)) if isinstance(said, list) else ()
        )
        if words:
            name, problem = (fields.text(row.get(key)) or "" for key in ("id", "problem"))
            yield Wrong(quoted(name, _LONGEST_NAME), quoted(problem, _LONGEST_PROBLEM), words)


def _cell(value: object) -> Cell:
    one = fields.mapping(value)
    share, n = fields.number(one.get("share")), fields.whole(one.get("n"))
    return Cell() if share is None or not n else Cell(share, fields.interval(one.get("interval")), n)
