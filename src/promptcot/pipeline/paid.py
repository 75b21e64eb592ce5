"""Checks whether the replies that a finished run or output has paid for are still in its journal.

Replies count as lost when the summary reports more calls than the journal holds. The user is then warned before these
calls are paid for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from promptcot.core.measures.spending import paid_of
from promptcot.storage.json import loads

CALLS = "calls.jsonl"
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Paid:
    """The calls of a step, and their cost; None if no call had a price. `damaged` counts damaged lines."""

    calls: int
    cost: float | None
    damaged: int = 0

    @classmethod
    def of(cls, stage: Mapping[str, Any]) -> Self:
        """The calls in a stage's summary. For vectors of concepts, calls and cache hits are counted."""
        found = paid_of(stage)
        calls = found["calls"] or stage.get("calls", 0) + stage.get("reused", 0)
        return cls(calls, found["cost"], stage.get("damaged", 0))


def paid_in(summary: Path) -> dict[str, Paid]:
    """The costs in a summary, by step; empty if there is no readable summary."""
    try:
        return {name: Paid.of(stage) for name, stage in loads(summary.read_bytes())["stages"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def calls_in(journal: Path) -> int | None:
    """The number of calls in a journal, damaged ones included; None for vectors, which are not counted in calls."""
    if next(journal.glob("*.vectors"), None) is not None:
        return None
    try:
        with (journal / CALLS).open("rb") as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(_AT_ONCE), b""))
    except (FileNotFoundError, NotADirectoryError):
        return 0


def gone(summary: Path, journals: Mapping[str, Path]) -> Iterator[str]:
    """A line for each step whose replies are partly or completely missing from its journal: they are paid for again."""
    paid = paid_in(summary)
    for name, journal in journals.items():
        earlier = paid.get(name)
        there = calls_in(journal) if earlier and earlier.calls else None
        if earlier is None or there is None or there >= earlier.calls:
            continue
        lost = "replies to" if there == 0 else f"replies to {earlier.calls - there:,} of"
        calls = "call" if earlier.calls == 1 else "calls"
        yield (
            f"{name}: the {lost} {earlier.calls:,} earlier {calls} ({cost_words(earlier.cost)}) are no longer in "
            f"{journal.name}: those that are needed are made, and paid for, again"
        )


def cost_words(cost: float | None) -> str:
    """The cost of calls, as text."""
    return "no price known" if cost is None else f"cost {cost:,.4f}"
