"""What a stage is: how to ask a model about a row, and how to read what it answers.

Both halves are pure and synchronous, so that a stage is tested without any engine and runs on any runner. It is the
only thing one writes to add a step or a domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from promptcot.records import Completion, Drop, Request, Retry, Row


class Stage(Protocol):
    """One step that asks a model."""

    @property
    def name(self) -> str:
        """The name of its journal and of its files."""
        ...

    def ask(self, row: Row) -> Sequence[Request]:
        """What to ask about this row. Raises InputError when the row lacks a field that the stage needs."""
        ...

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        """The output rows, in the order of the requests; or ask again; or leave the row out."""
        ...
