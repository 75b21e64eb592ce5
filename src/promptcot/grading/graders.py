"""Chooses the verifier of a row, and keeps the open graders.

Decides the order of precedence: the verifier from the options, that of the benchmark, that of the domain.
"""

from __future__ import annotations

from typing import Self

from promptcot.grading.grader import Grader
from promptcot.grading.verifiers import MATHEMATICS


class Graders:
    """Graders by verifier, opened when first needed, with `workers` and `limit` each. A context manager that closes
    them.

    `named` is the verifier from the options, and grades everything. If it is None, benchmarks use their own, and
    everything else uses the `default`, which is the domain's. Raises InputError for an unknown verifier.
    """

    def __init__(
        self, workers: int = 2, limit: float = 5.0, *, named: str | None = None, default: str = MATHEMATICS
    ) -> None:
        self.limit = limit
        self._workers = workers
        self._named, self._default = named, default
        self._open: dict[str, Grader] = {}
        self.of()  # reports a wrong name before any work is done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all worker processes."""
        for grader in self._open.values():
            grader.close()

    def of(self, benchmark: str | None = None) -> Grader:
        """The grader of rows whose benchmark names this verifier, if one is named."""
        name = self._named or benchmark or self._default
        if name not in self._open:
            self._open[name] = Grader(self._workers, self.limit, name)
        return self._open[name]

    @property
    def notes(self) -> list[str]:
        """Notes for the user on answers for which verifiers failed."""
        return [note for grader in self._open.values() for note in grader.notes]
