"""Asks a solver for several traces of a problem within a run: one row becomes one row for each trace.

`solve` makes the requests and reads the traces, so a run and the verb make the same requests with the same seeds. A
failed call costs only its own trace.
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
    """`n` requests for each problem, and a row of `solve` for each reply, with the number of traces of its problem."""

    solve: Solve
    n: int
    partial: ClassVar[bool] = True
    """See `protocol.Stage`."""

    @property
    def name(self) -> str:
        """The name of the verb."""
        return self.solve.name

    def ask(self, row: Row) -> Sequence[Request]:
        """A request for each trace. Raises UnfitRow when the row has neither `problem` nor `prompt`."""
        return [request for asked in samples([row], self.n) for request in self.solve.ask(asked)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        """The traces, in the order of their samples, including malformed ones."""
        asked = zip(samples([row], self.n), replies, strict=True)
        came = [(one, reply) for one, reply in asked if reply.finish_reason != UNANSWERED]
        return [{**self.solve.trace(one, reply), TRACE_COUNT: len(came)} for one, reply in came]

    def unusable(self, row: Row) -> str | None:
        """As `Solve.unusable`."""
        return self.solve.unusable(row)
