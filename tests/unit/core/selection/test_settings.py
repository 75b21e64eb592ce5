"""The notation of bands, shares, balance and order, and the errors for invalid values."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.selection.settings import Band, Settings
from promptcot.errors import UsageError

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"pass_rate": "0.5"}, "write LOW:HIGH"),
    ({"pass_rate": "0.8:0.2"}, "starts above its end"),
    ({"pass_rate": "20:80"}, "20 is not between 0 and 1"),
    ({"pass_rate": "nan:1"}, "not a finite number"),
    ({"pass_rate": "-0.1:1"}, "not between 0 and 1"),
    ({"pass_rate": "a:b"}, "'a' is not a number"),
    ({"difficulty": "0-0.5"}, "is not NAME=SHARE"),
    ({"difficulty": "0.5=1"}, "'0.5' is not a range"),
    ({"difficulty": "0.5-0.5=1"}, "does not start below its end"),
    ({"difficulty": "0-0.6=1,0.5-1=1"}, "0-0.6 and 0.5-1 overlap"),
    ({"difficulty": "0-0.5=1,0-0.5=2"}, "0-0.5 is named twice"),
    ({"difficulty": {"0-1": -1}}, "share of '0-1' is -1"),
    ({"difficulty": {"0-1": "much"}}, "share of '0-1' is 'much'"),
    ({"levels": "AIME=0"}, "all shares are 0"),
    ({"levels": "AIME=inf"}, "not a finite number"),
    ({"levels": "AIME=1", "balance": ["level"]}, "give only one of them"),
    ({"balance": ["difficulty"]}, "not one of level, concepts"),
    ({"order": "hard-first"}, "not one of easy-first, mixed, as-is"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_cannot_be_asked_for_is_refused_by_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=next(iter(given)).replace("_", "[-_]")) as refused:
        Settings.of(**given)
    assert words in str(refused.value)


def test_shares_are_proportions_in_text_and_in_tables() -> None:
    written = Settings.of(levels="AIME=30, HMMT-Feb=10", difficulty="0.5-1=1,0-0.5=3")
    assert written.levels == {"AIME": 0.75, "HMMT-Feb": 0.25}
    assert [(str(one), one.share) for one in written.bins] == [("0-0.5", 0.75), ("0.5-1", 0.25)]
    assert written == Settings.of(levels={"AIME": 3, "HMMT-Feb": 1}, difficulty={"0-0.5": 3, "0.5-1": 1})


def test_a_bin_has_its_upper_bound_only_where_no_other_begins_there() -> None:
    bins = Settings.of(difficulty="0-0.25=1,0.25-0.5=1,0.6-0.8=1").bins
    assert [one.closed for one in bins] == [False, True, True]


def test_a_level_may_have_an_equals_sign_in_its_name() -> None:
    assert Settings.of(levels="a=b=1").levels == {"a=b": 1.0}


def test_one_word_for_balance_is_a_list_of_one() -> None:
    assert Settings.of(balance="concepts").balance == ("concepts",)


def test_a_band_reads_what_it_writes() -> None:
    assert Band.parse(str(Band(0.25, 0.5))) == Band(0.25, 0.5)
