"""The table of validity by agreement: which column a problem is in, and how it is shown."""

from __future__ import annotations

import pytest

from promptcot.core.statistics.validity import ValidityByAgreement, band_of


@pytest.mark.parametrize(
    ("agreement", "band"),
    [
        (1.0, "1"),
        (0.99, ">=0.75"),
        (0.75, ">=0.75"),
        (0.74, ">=0.5"),
        (0.5, ">=0.5"),
        (0.49, "<0.5"),
        (0.0, "<0.5"),
        (None, "none"),
    ],
)
def test_the_band_of_an_agreement(agreement: float | None, band: str) -> None:
    assert band_of(agreement) == band


@pytest.mark.parametrize("validity", [None, {}, {"verdict": None}, {"verdict": "fine"}, "valid", 1])
def test_what_is_no_verdict_counts_as_not_verified(validity: object) -> None:
    table = ValidityByAgreement()
    table.add(validity, 1.0)
    [(verdict, counts)] = table.summary()["validity_by_agreement"].items()
    assert (verdict, counts["1"]) == ("not verified", 1)


def test_a_table_of_nothing_is_not_written() -> None:
    assert ValidityByAgreement().summary() == {}
