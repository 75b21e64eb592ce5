"""The result of a check: an item that is fine, a note, or a problem with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

Mark = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. A problem has a remedy, in `what` itself or in `way_out`."""

    mark: Mark
    what: str
    way_out: str = ""


ok = partial(Finding, "ok")
"""The item is fine."""
note = partial(Finding, "note")
"""A note that does not prevent the run."""
problem = partial(Finding, "problem")
"""The run would fail."""


def problem_of(error: Exception) -> Finding:
    """The problem in an error: its first line is the cause, the others are the remedy."""
    what, _, way_out = str(error).partition("\n")
    return problem(what.strip(), " ".join(way_out.split()))
