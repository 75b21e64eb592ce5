"""A table of problems by the verifiers' verdict and by the agreement of their traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptcot.cli.report.tables import table
from promptcot.core.statistics.validity import NOT_VERIFIED


def validity_lines(found: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A row for each verdict, from `validity_by_agreement` of a summary; nothing if no problem was verified."""
    if not any(verdict != NOT_VERIFIED for verdict in found):
        return
    bands = [*next(iter(found.values()))]
    rows = [("validity by agreement", *bands, "n")]
    for verdict, counts in found.items():
        rows.append((verdict, *(f"{counts[band]:,}" for band in bands), f"{sum(counts.values()):,}"))
    yield from table(rows)
