"""Measures of small sets, against values computed by hand."""

from __future__ import annotations

from math import exp, log
from typing import Any
from zlib import crc32

import pytest

from promptcot.core.measures.facts import facts_of
from promptcot.core.measures.tally import Tally


def key(name: str) -> int:
    return crc32(name.encode())


def tally(*rows: dict[str, Any]) -> Tally:
    found = Tally(key)
    for row in rows:
        found.add(facts_of(row))
    return found


def test_concepts_are_counted_by_their_use() -> None:
    """Of 4 known concepts, a is named twice, b and c once: the entropy is that of 1/2, 1/4, 1/4."""
    told = tally({"concepts": ["a", "b"]}, {"concepts": ["a", "c"]}, {}).as_json(known=4)["concepts"]
    entropy = 1.5 * log(2)
    assert (told["rows"], told["used"], told["known"], told["uses"]) == (2, 3, 4, 4)
    assert told["coverage"] == 0.75
    assert told["entropy"] == pytest.approx(entropy)
    assert told["effective"] == pytest.approx(exp(entropy))
    assert told["evenness"] == pytest.approx(entropy / log(3))


@pytest.mark.parametrize("known", [None, 1])
def test_a_catalogue_that_is_not_known_or_another_one_has_no_coverage(known: int | None) -> None:
    assert tally({"concepts": ["a", "b"]}).as_json(known)["concepts"]["coverage"] is None


def test_no_data_is_left_out_and_never_0() -> None:
    assert tally().as_json() == {"rows": 0, "levels": {}, "labelled": 0}
    assert tally({"id": 1}).as_json() == {"rows": 1, "levels": {}, "labelled": 0}


def test_one_row_has_a_mean_and_no_interval() -> None:
    assert tally({"pass_rate": 0.5}).as_json()["pass_rate"] == {"n": 1, "mean": 0.5, "interval": None}


def test_intervals_of_shares_stay_between_0_and_1() -> None:
    low, high = tally({"pass_rate": 1}, {"pass_rate": 1}, {"pass_rate": 0.75}).as_json()["pass_rate"]["interval"]
    assert 0 <= low < 1
    assert high == 1


def test_pass_rates_of_several_models_have_a_histogram_each() -> None:
    models = {"weak": {"pass_rate": 0.25, "n": 4}, "strong": {"pass_rate": 1.0, "n": 4}}
    told = tally({"pass_rate": 0.625, "n": 8, "models": models}, {"pass_rate": 0.0, "n": 4, "model": "weak"}).as_json()
    counts = {name: [span["count"] for span in its] for name, its in told["pass_rate_histogram_by_model"].items()}
    assert counts == {"strong": [0] * 9 + [1], "weak": [1, 0, 1] + [0] * 7}
    assert [span["count"] for span in told["pass_rate_histogram"]] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_one_model_has_no_histogram_beside_that_of_all() -> None:
    told = tally({"pass_rate": 0.5, "n": 4, "model": "m"}).as_json()
    assert told["pass_rate_histogram_by_model"] == {}


def test_validity_by_agreement_is_counted_from_the_rows_of_a_set() -> None:
    rows = [
        {"answer": "1", "validity": "valid", "agreement": 1.0},
        {"answer": "1", "validity": "valid", "agreement": 0.6},
        {"answer": "1", "validity": "undecided", "agreement": 1.0},
    ]
    table = tally(*rows).as_json()["validity_by_agreement"]
    assert table["valid"] == {"1": 1, ">=0.75": 0, ">=0.5": 1, "<0.5": 0, "none": 0}
    assert table["undecided"]["1"] == 1


def test_golds_without_traces_make_no_table_of_agreement() -> None:
    assert "validity_by_agreement" not in tally({"answer": "4"}, {"answer": "5"}).as_json()
