"""Stops a stage or step whose own code raises for too many rows.

A single row that the code cannot process is dropped or failed. If more than a tenth of the rows are lost, the code has
a mistake, and the run stops.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from promptcot.core.remedies import reasons, shown
from promptcot.errors import StageFault, SystematicFailure

_LEAST, _LEAST_SHARE = 20, 0.1
_SHOWN = 500


class Faults:
    """Counts the rows of the step called `name`, and those for which its code failed.

    `journal` is the folder of its replies, if it calls a model.
    """

    def __init__(self, name: str, journal: Path | None = None) -> None:
        self._name = name
        self._journal = journal
        self._rows = 0
        self._reasons: Counter[str] = Counter()

    def saw(self, fault: StageFault | None) -> None:
        """Count a row. Raises SystematicFailure when more than a tenth of the rows, and at least 20, have a fault."""
        self._rows += 1
        if fault is None:
            return
        self._reasons[shown(fault.reason)] += 1
        count = self._reasons.total()
        if count >= _LEAST and count > _LEAST_SHARE * self._rows:
            raise SystematicFailure(self._words(count, fault)) from fault

    def _words(self, count: int, fault: StageFault) -> str:
        kept = f" The replies in {self._journal} are reused, so nothing is paid twice." if self._journal else ""
        return (
            f"{self._name}: stopped because the step's own code failed for {count:,} of the first {self._rows:,} rows "
            f"({reasons(self._reasons)})\n"
            f"The last one: {shown(str(fault), _SHOWN)}\n"
            f"Remedy: fix the step, and run the same command again.{kept}"
        )
