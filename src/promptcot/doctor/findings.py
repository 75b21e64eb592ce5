"""The result of a check: an item that is fine, a note, or a problem with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

Mark = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. A problem has a way out, in `what` itself or in `way_out`."""

    mark: Mark
    what: str
    way_out: str = ""


ok = partial(Finding, "ok")
"""Something is as it should be."""
note = partial(Finding, "note")
"""Something is worth knowing, and no obstacle."""
problem = partial(Finding, "problem")
"""Something will not work."""


def problem_of(error: Exception) -> Finding:
    """The problem that an error tells: its first line says what, the others the way out."""
    what, _, way_out = str(error).partition("\n")
    return problem(what.strip(), " ".join(way_out.split()))
