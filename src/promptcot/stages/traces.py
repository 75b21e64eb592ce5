"""Asks a solver for several traces of a problem in a run: one row becomes one for each trace that came.

What is asked for each trace, and what a trace is, is decided in `solve`: a run and the verb ask the same with the same
seeds. A call that fails costs its trace and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from promptcot.core.labelling import TRACE_COUNT
from promptcot.records import UNANSWERED, Completion, Request, Row
from promptcot.stages.solve import Solve, samples


@dataclass(frozen=True, slots=True)
class Traces:
    """`n` requests for each problem, and a row for each reply: `solve`'s, with how many came of its problem."""

    solve: Solve
    n: int
    partial: ClassVar[bool] = True
    """See `protocol.Stage`."""

    @property
    def name(self) -> str:
        """As the verb is called."""
        return self.solve.name

    def ask(self, row: Row) -> Sequence[Request]:
        """A request for each trace. Raises UnfitRow when the row has neither `problem` nor `prompt`."""
        return [request for asked in samples([row], self.n) for request in self.solve.ask(asked)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        """The traces, in the order of their samples; a malformed one is an output like any other."""
        asked = zip(samples([row], self.n), replies, strict=True)
        came = [(one, reply) for one, reply in asked if reply.finish_reason != UNANSWERED]
        return [{**self.solve.trace(one, reply), TRACE_COUNT: len(came)} for one, reply in came]

    def unusable(self, row: Row) -> str | None:
        """As `Solve.unusable`."""
        return self.solve.unusable(row)
