"""Explains why a step produced no rows, or almost no usable replies: the cause, one example, and a remedy.

Decides when there is a problem to report, from the counts of a step and the files beside its output. The caller prints
it; `core.remedies` has the explanations of unusable replies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from promptcot.core.remedies import (
    READER_FAILED,
    STEP_FAILED,
    advice,
    described,
    reasons,
    remedy_for,
    remedy_for_failed,
    shown,
)
from promptcot.core.units import counted
from promptcot.records import Row, Unusable
from promptcot.storage.counts import BEYOND_TARGET, StageCounts
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows

_TEXTS = ("problem", "completion", "rationale_and_problem", "prompt")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem of a step: `what` went wrong, an `example`, the likely `cause` and the `remedy` if known.

    `nothing_came` if the step returned nothing, and `hopeless` if more rows of the same kind would not help.
    """

    what: str
    example: str
    cause: str = ""
    remedy: str = ""
    nothing_came: bool = False
    hopeless: bool = False

    @property
    def lines(self) -> list[str]:
        """The whole report, as lines."""
        found = [self.what, f"  for example {self.example}" if self.example else ""]
        found.append(f"  likely cause: {self.cause}" if self.cause else "")
        found.append(f"  remedy: {self.remedy}" if self.remedy else "")
        return [line for line in found if line]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def came_to_nothing(counts: StageCounts) -> bool:
    """Whether a step had rows and returned none."""
    return counts.rows_in > 0 and counts.rows_out == 0


def trouble_of(counts: StageCounts, output: Path) -> Trouble | None:
    """The problem of a step with this output, if any: no rows, mostly unusable replies, or code that failed on some
    rows.
    """
    useless = counts.useless.counts.total()
    if useless > counts.usable and counts.useless.example is not None:
        return _useless(counts, counts.useless.example)
    if not came_to_nothing(counts):
        return _code_failed(counts, output)
    if counts.failed.total() > counts.dropped.total():
        return _all_failed(counts, output)
    dropped = {reason: count for reason, count in counts.dropped.items() if reason != BEYOND_TARGET}
    if not dropped:
        return Trouble(f"{counts.name}: it produced no rows from {counts.rows_in:,}", "", nothing_came=True)
    none = "its only row did not pass" if counts.rows_in == 1 else f"none of {counts.rows_in:,} rows passed"
    what = f"{counts.name}: {none} ({reasons(dropped)})"
    remedy = remedy_for(dropped) or f"the reason of each row is in {beside(output, 'dropped.jsonl').name}"
    return Trouble(what, _example(_first(output, "dropped")), remedy=remedy, nothing_came=True)


def problem_of(counts: StageCounts, output: Path) -> str | None:
    """The same as one text."""
    found = trouble_of(counts, output)
    return None if found is None else str(found)


def worst_trouble(steps: Iterable[tuple[StageCounts, Path]]) -> Trouble | None:
    """The problem of the step that lost most, the first of several: later problems follow from it."""
    found = [trouble for counts, output in steps if (trouble := trouble_of(counts, output))]
    return max(found, key=lambda trouble: (trouble.hopeless, trouble.nothing_came), default=None)


def _useless(counts: StageCounts, example: Unusable) -> Trouble:
    useless = counts.useless.counts.total()
    read, likely = useless + counts.usable, advice(example)
    lost = f"{useless:,} of {read:,} replies cannot" if counts.usable else f"none of {read:,} replies can"
    lost = "the only reply cannot" if read == 1 else lost
    return Trouble(
        f"{counts.name}: {lost} be used ({reasons(counts.useless.counts)})",
        described(example),
        likely.cause,
        likely.remedy,
        came_to_nothing(counts),
        hopeless=not counts.usable,
    )


def _code_failed(counts: StageCounts, output: Path) -> Trouble | None:
    lost = {
        reason: count for reason, count in counts.dropped.items() if reason.startswith((READER_FAILED, STEP_FAILED))
    }
    if not lost:
        return None
    row = next((row for row in _rows(output, "dropped") if row.get("reason") in lost), {})
    text = next(iter(row.get("raw") or ()), "")
    example = f"{_name_of(row)} ({shown(str(row.get('reason')))}){f': {shown(text)}' if text else ''}"
    rows = counted(counts.rows_in, "row")
    what = f"{counts.name}: its code failed on {sum(lost.values()):,} of {rows} ({reasons(lost)})"
    return Trouble(what, example, remedy=remedy_for(lost) or "")


def _all_failed(counts: StageCounts, output: Path) -> Trouble:
    rows = counted(counts.rows_in, "row")
    what = f"{counts.name}: {counts.failed.total():,} of {rows} failed ({reasons(counts.failed)})"
    row = _first(output, "failed")
    example = f"{_name_of(row)}: {shown(str(row.get('error')))}" if row else ""
    return Trouble(what, example, remedy=remedy_for_failed(counts.failed), nothing_came=True, hopeless=True)


def _example(row: Row | None) -> str:
    """A dropped row; if a judge's reply could not be parsed, with this reply."""
    if row is None:
        return ""
    invalid = row.get("invalid_reason")
    names = ("completion", *_TEXTS) if invalid else _TEXTS
    text = next((row[name] for name in names if isinstance(row.get(name), str)), "")
    why = ", ".join(str(reason) for reason in (row.get("reason"), invalid) if reason)
    return f"{_name_of(row)} ({shown(why)}): {shown(text)}"


def _name_of(row: Row) -> str:
    """A row's id; rows of other programs may have none."""
    return "a row" if row.get("id") is None else f"row {shown(str(row['id']))}"


def _first(output: Path, kind: str) -> Row | None:
    return next(_rows(output, kind), None)


def _rows(output: Path, kind: str) -> Iterator[Row]:
    path = beside(output, f"{kind}.jsonl")
    return read_rows(path) if path.exists() else iter(())
