"""The step `review`: drops the problems that reviewers reject.

The decisions are read from `reviews.jsonl` when a command starts (`storage.reviews`). The result depends only on the
ids that are rejected, not on the reviewers. An acceptance does not bring back a problem that another step drops.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from promptcot.records import Drop, Row

REVIEW = "review"
REJECTED = "rejected by review"
"""The reason of a row that is dropped."""


class Review:
    """Drops rows with one of the `rejected` ids."""

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
    """Whether reviewers reject the id of this row."""
    return bool(rejected) and row.get("id") is not None and str(row["id"]) in rejected
