"""The step `review`: leaves out the problems that reviewers reject.

What reviewers decided is read from `reviews.jsonl` when a command starts (`storage.reviews`); only the ids that they
reject count, so neither who decided nor the order of the lines changes the result. An acceptance brings back nothing
that another step leaves out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from promptcot.records import Drop, Row

REVIEW = "review"
REJECTED = "rejected by review"
"""The reason of a row that is left out."""


class Review:
    """Leaves out rows with one of the `rejected` ids."""

    name = REVIEW

    def __init__(self, rejected: Collection[str]) -> None:
        self._rejected = rejected

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The row, or a drop."""
        return Drop(REJECTED) if is_rejected(row, self._rejected) else [row]

    def finish(self) -> Sequence[Row]:
        """Nothing is held back."""
        return ()


def is_rejected(row: Row, rejected: Collection[str]) -> bool:
    """Whether a row's own id is one of those that reviewers reject."""
    return bool(rejected) and row.get("id") is not None and str(row["id"]) in rejected
