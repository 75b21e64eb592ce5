"""Picks the best evaluation of a training run, and decides when to stop early. Works on numbers alone.

Better means strictly better: of equal evaluations the earlier one wins, since it saw less data. No noise margin is
subtracted. pass@1 is measured on the same problems with the same seeds each time, so two evaluations of a training run
differ by less than their intervals suggest; still, the best of many is partly luck, and overestimates the model.
Non-finite values are skipped, and do not count towards early stopping.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VALIDATION_LOSS, PASS_AT_1 = "eval_loss", "eval_pass@1"
"""The names of the metrics in the history that a trainer keeps in its checkpoints."""
LOW, HIGH, PROBLEMS, SAMPLES, CUT_OFF = (
    f"{PASS_AT_1}_{part}" for part in ("low", "high", "problems", "samples", "cut_off")
)
"""Stored with pass@1: its 95 % interval, the numbers of problems and samples, and the number of truncated samples."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The result of an evaluation at a step."""

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class Criterion:
    """The metric that selects a checkpoint: its name in the trainer's history, and whether higher is better."""

    key: str
    name: str
    more_is_better: bool

    def marks(self, history: Iterable[Mapping[str, Any]]) -> list[Mark]:
        """The evaluations in a history, by step; of several at one step the last."""
        found = {line["step"]: line[self.key] for line in history if self.key in line}
        return [Mark(step, float(value)) for step, value in sorted(found.items()) if math.isfinite(value)]

    def best(self, marks: Sequence[Mark]) -> Mark | None:
        """The best evaluation, and of equal ones the earliest; None if there is none."""
        return min(marks, key=lambda mark: (self._cost(mark), mark.step), default=None)

    def waited(self, marks: Sequence[Mark]) -> int:
        """The number of evaluations since the best one."""
        best = self.best(marks)
        return sum(mark.step > best.step for mark in marks) if best else 0

    def _cost(self, mark: Mark) -> float:
        return -mark.value if self.more_is_better else mark.value

    def shown(self, mark: Mark) -> str:
        """The value, formatted for display."""
        return f"{100 * mark.value:.1f} %" if self.more_is_better else f"{mark.value:.4g}"


CRITERIA: Mapping[str, Criterion] = {
    "validation": Criterion(VALIDATION_LOSS, "validation loss", more_is_better=False),
    "eval": Criterion(PASS_AT_1, "pass@1", more_is_better=True),
}
"""The criteria, by their names in `checkpoints.best`."""
