"""A table of counts of validity (by verifiers) against agreement (of traces on the answer).

Pure. The verdicts come from `verify`, the agreement from `label`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

NOT_VERIFIED = "not verified"
_VERDICTS = ("valid", "undecided", "invalid", NOT_VERIFIED)
_BANDS = ("1", ">=0.75", ">=0.5", "<0.5", "none")


def band_of(agreement: float | None) -> str:
    """The column of an agreement; "none" for None, which is a problem without a label (no answer, or a tie)."""
    if agreement is None:
        return "none"
    bounds = ((1.0, "1"), (0.75, ">=0.75"), (0.5, ">=0.5"))
    return next((band for least, band in bounds if agreement >= least), "<0.5")


class ValidityByAgreement:
    """Counts problems by the verdict of `verify` and by the agreement of their traces."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, validity: object, agreement: float | None) -> None:
        """Count one problem, by the field that `verify` adds and the agreement on its label, if it has one."""
        verdict = validity.get("verdict") if isinstance(validity, dict) else None
        self._counts[verdict if verdict in _VERDICTS else NOT_VERIFIED, band_of(agreement)] += 1

    def summary(self) -> dict[str, Any]:
        """The table for a summary: problems by verdict, then by agreement; empty without problems."""
        table = {verdict: self._row(verdict) for verdict in _VERDICTS if any(self._row(verdict).values())}
        return {"validity_by_agreement": table} if table else {}

    def _row(self, verdict: str) -> dict[str, int]:
        return {band: self._counts[verdict, band] for band in _BANDS}
