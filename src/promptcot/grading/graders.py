"""Which verifier judges, and the graders that are open.

Decides the order in which a verifier is chosen: the one that was asked for, that of the benchmark, that of the domain.
"""

from __future__ import annotations

from typing import Self

from promptcot.grading.grader import Grader
from promptcot.grading.verifiers import MATHEMATICS


class Graders:
    """Graders by verifier, opened when first needed, with `workers` and `limit` each. A context manager: it ends them.

    `named` is the verifier that was asked for, and judges everything. Where it is None, a benchmark has its own, and
    everything else has the `default`, which is the domain's. Raises InputError for one that there is not.
    """

    def __init__(
        self, workers: int = 2, limit: float = 5.0, *, named: str | None = None, default: str = MATHEMATICS
    ) -> None:
        self.limit = limit
        self._workers = workers
        self._named, self._default = named, default
        self._open: dict[str, Grader] = {}
        self.of()  # a name that is wrong is told before anything is done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all worker processes."""
        for grader in self._open.values():
            grader.close()

    def of(self, benchmark: str | None = None) -> Grader:
        """The grader of rows for which a benchmark names this verifier, if one does."""
        name = self._named or benchmark or self._default
        if name not in self._open:
            self._open[name] = Grader(self._workers, self.limit, name)
        return self._open[name]

    @property
    def notes(self) -> list[str]:
        """What is to be told of verifiers that failed over answers."""
        return [note for grader in self._open.values() for note in grader.notes]
