"""The protocols of a run's steps: a stage calls a model for each row, a step works without one.

Both are synchronous and know neither engines nor files, so that they can be tested alone and run on any runner. A new
step implements one of them and nothing else; `called` reports mistakes in its code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from promptcot.records import Completion, Drop, Dropped, Request, Retry, Row


class Stage(Protocol):
    """A step that calls a model. `ask` and `read` are pure.

    It may also have a function `unusable(row)`, which says why the next step cannot use an output row (an invalid
    verdict, a truncated trace), or returns None. A stage without a usable reply is stopped.

    A row fails when one of its calls fails for good. With an attribute `partial` that is True it fails only when all of
    its calls do: for each failed call `read` gets a Completion without text, whose finish reason is "unanswered".
    """

    @property
    def name(self) -> str:
        """The name of its journal and of its files."""
        ...

    def ask(self, row: Row) -> Sequence[Request]:
        """The requests for this row. Raises UnfitRow when the row lacks a field that the stage needs."""
        ...

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        """The output rows, in the order of the requests; or a retry; or a drop."""
        ...


class Step(Protocol):
    """A step without a model. It sees the rows in input order, and may keep state.

    A resumed run passes all rows through it again, so its state needs no file. Data that grows with the number of rows
    belongs into the folder that the step is created with.

    It may have two more functions: `summary()` returns a mapping for the run's summary, and `close()` releases
    resources (files, processes). It is closed once, however the run ends, and before its summary is read.

    With an attribute `groups` that is True, the rows of a group, which arrive one after the other, count as one row: a
    row for which `apply` returns none is counted with the row that completes its group, and so are the rows of
    `finish`.
    """

    @property
    def name(self) -> str:
        """The name of its files."""
        ...

    def apply(self, row: Row) -> Sequence[Row] | Drop | Dropped:
        """The output rows; or a drop of the row, or of another row that represents it. An empty list: the row is held
        back, or part of a group.
        """
        ...

    def finish(self) -> Iterable[Row | Dropped | None]:
        """After the last row: the rows that were held back, and those of them that are dropped after all.

        A step that works for long before the first row yields None at intervals, so that the run can be stopped.
        """
        ...
