"""The step `decontaminate`: leaves out problems that are one of a benchmark, and says which, and by what.

Decides what becomes of a row. How texts are compared is decided in `core.overlap.contamination`, with which benchmarks
in `evaluation.references`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from promptcot.core.overlap.contamination import Contamination, Hit
from promptcot.core.problems import problem_of
from promptcot.core.remedies import shown
from promptcot.errors import UnfitRow
from promptcot.evaluation.references import References
from promptcot.records import Drop, Row

REASON = "benchmark problem"
_SHOWN = 200


class Decontaminate:
    """Leaves out rows whose problem is one of the `references`, or has a large part of one in it.

    With `mask_numbers`, a problem that differs from a benchmark's in numbers only is one of it. A row without a problem
    stays, and is counted.
    """

    name = "decontaminate"

    def __init__(self, references: References, mask_numbers: bool = True) -> None:
        self._references = references
        self._mask_numbers = mask_numbers
        self._index = Contamination(references.problems, mask_numbers, references.phrases)
        self._benchmarks: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()
        self._without_problem = 0

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The row, or a drop that shows the benchmark's problem and what is the same in both."""
        try:
            problem = problem_of(row, f"row {row.get('id')}")
        except UnfitRow:
            self._without_problem += 1
            return [row]
        hit = self._index.hit(problem)
        return [row] if hit is None else self._left_out(hit)

    def _left_out(self, hit: Hit) -> Drop:
        self._benchmarks[hit.reference.benchmark] += 1
        self._rules[hit.rule] += 1
        return Drop(REASON, details={"contamination": told(hit)})

    def finish(self) -> Sequence[Row]:
        """Nothing is held back."""
        return ()

    def summary(self) -> Mapping[str, Any]:
        """What a run's summary says of it."""
        return {
            "contamination": {
                **self._references.summary(),
                "mask_numbers": self._mask_numbers,
                "found": dict(self._benchmarks),
                "rules": dict(self._rules),
                "without_problem": self._without_problem,
            }
        }


def told(hit: Hit) -> dict[str, Any]:
    """A hit as a field of the row that is left out."""
    reference = hit.reference
    return {
        "benchmark": reference.benchmark,
        "row": reference.row,
        "id": reference.id,
        "problem": shown(reference.problem, _SHOWN),
        "rule": hit.rule,
        "share": round(hit.share, 3),
        "overlap": shown(hit.overlap, _SHOWN),
    }
