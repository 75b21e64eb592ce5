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


def test_a_table_of_nothing_is_neither_written_nor_shown() -> None:
    assert ValidityByAgreement().summary() == {}
    assert list(ValidityByAgreement().lines()) == []


def test_the_lines_have_a_number_for_each_band_and_their_sum() -> None:
    table = ValidityByAgreement()
    for agreement in (1.0, 1.0, 0.8, None):
        table.add({"verdict": "valid"}, agreement)
    table.add({"verdict": "invalid"}, 0.6)
    head, valid, invalid = table.lines()
    assert head.split() == ["validity", "by", "agreement", "1", ">=0.75", ">=0.5", "<0.5", "none", "n"]
    assert valid.split() == ["valid", "2", "1", "0", "0", "1", "4"]
    assert invalid.split() == ["invalid", "0", "0", "1", "0", "0", "1"]
