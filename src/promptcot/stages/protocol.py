"""What the steps of a run are: a stage asks a model about each row, a step decides without one.

Both are synchronous and know neither engines nor files, so that they are tested alone and run on any runner. One of
them is all that one writes to add a step; `called` names their mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from promptcot.records import Completion, Drop, Dropped, Request, Retry, Row


class Stage(Protocol):
    """One step that asks a model. `ask` and `read` are pure.

    It may have a function `unusable(row)` as well, which says why an output row is of no use to the next step (an
    invalid verdict, a truncated trace), or None: a stage all of whose replies are of no use is stopped.

    A row is a failed row when one of its calls fails for good. With an attribute `partial` that is True it is one only
    when all of them do: in the place of each reply that did not come `read` gets a Completion without text, whose
    finish reason is "unanswered".
    """

    @property
    def name(self) -> str:
        """The name of its journal and of its files."""
        ...

    def ask(self, row: Row) -> Sequence[Request]:
        """What to ask about this row. Raises UnfitRow when the row lacks a field that the stage needs."""
        ...

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        """The output rows, in the order of the requests; or ask again; or leave the row out."""
        ...


class Step(Protocol):
    """One step that asks no model. It sees the rows in input order, and may remember what it saw.

    A run that goes on after an interruption shows it all rows again, so its memory needs no file of its own. What grows
    with the number of rows belongs into the folder that it is made with.

    It may have two more functions: `summary()` gives a mapping that a run adds to its summary, and `close()` gives back
    what the step holds (files, processes). It is closed once, however the run ends, and before its summary is read.

    With an attribute `groups` that is True the rows of a group, which come one after the other, count as one: a row for
    which `apply` gives none is counted with the one that completes its group, and so is what `finish` gives.
    """

    @property
    def name(self) -> str:
        """The name of its files."""
        ...

    def apply(self, row: Row) -> Sequence[Row] | Drop | Dropped:
        """The output rows; or leave the row out, as it came or as another row that stands for it. No row at all: it is
        held back, or part of a group.
        """
        ...

    def finish(self) -> Iterable[Row | Dropped | None]:
        """When all rows have come: the rows that were held back, and those of them that are left out after all.

        What takes long to find out the first of them gives None now and then, and a request to stop is heard.
        """
        ...
