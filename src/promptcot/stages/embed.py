"""The stage `embed`: the vector of each problem, for a later step that compares meanings.

The reply of an engine for vectors (`engines.vectors`) is the vector as text, so that it is journaled and reused like
any other reply. The row carries it in a field, which the step that uses it removes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.core.overlap.vectors import from_text
from promptcot.core.problems import problem_of
from promptcot.errors import UnfitRow
from promptcot.records import Completion, Drop, Request, Row

FIELD = "problem_vector"


class Embed:
    """Requests the vector of each problem. A row without a problem gets no request and no vector."""

    def __init__(self, name: str = "embed") -> None:
        self.name = name

    def ask(self, row: Row) -> Sequence[Request]:
        """The text alone."""
        text = row.get("problem")
        if isinstance(text, str) and not text.strip():
            return ()
        try:
            return [Request(prompt=problem_of(row, f"row {row.get('id')}"))]
        except UnfitRow:
            return ()

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Drop:
        """The row with its vector."""
        if not replies:
            return [row]
        return [{**row, FIELD: replies[0].text}]


def vector_of(row: Row) -> NDArray[np.float16] | None:
    """The vector of a row: array (dimensions,), a unit vector; None if it has none."""
    text = row.get(FIELD)
    return from_text(text) if isinstance(text, str) else None


def without_vector(row: Row) -> Row:
    """The row without its vector."""
    return {name: value for name, value in row.items() if name != FIELD} if FIELD in row else row
