"""The choice of problems, by numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promptcot.core.selection.choosing import Candidates, Choice, bin_of, choose, in_order, keys_of
from promptcot.core.selection.settings import Settings

NAMES = ("AIME", "AMC12")


def these(pass_rates: list[float], levels: list[int] | None = None, concepts: list[list[int]] | None = None) -> Any:
    n = len(pass_rates)
    rows = concepts or [[] for _ in range(n)]
    return Candidates(
        np.array(pass_rates, dtype=np.float64),
        np.array(levels or [0] * n, dtype=np.int64),
        NAMES,
        keys_of(np.arange(n, dtype=np.uint64), 1),
        np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64),
        np.array([one for row in rows for one in row], dtype=np.uint64),
    )


def got(choice: Choice) -> dict[str, int]:
    return {one.name: one.got for one in (*choice.difficulty, *choice.levels)}


def test_a_pass_rate_at_the_edge_of_two_bins_is_in_the_upper_one() -> None:
    bins = Settings.of(difficulty="0-0.25=1,0.25-0.5=1,0.6-1=1").bins
    rates = np.array([0, 0.2499, 0.25, 0.5, 0.55, 0.6, 1.0])
    assert bin_of(rates, bins).tolist() == [0, 0, 1, 1, -1, 2, 2]


def test_keys_are_different_and_change_with_the_seed() -> None:
    ids = np.arange(10_000, dtype=np.uint64)
    assert len(np.unique(keys_of(ids, 3))) == 10_000
    assert not np.isin(keys_of(ids, 3), keys_of(ids, 4)).any()
    keys_of(ids, 2**80)  # any seed there may be


def test_nothing_asked_for_takes_everything() -> None:
    choice = choose(these([0.1, 0.5, 0.9]), Settings.of())
    assert sorted(choice.chosen.tolist()) == [0, 1, 2]
    assert not choice.outside.any()


def test_shares_without_a_size_give_the_largest_set_that_has_them() -> None:
    candidates = these([0.2] * 30 + [0.8] * 5)
    choice = choose(candidates, Settings.of(difficulty="0-0.5=0.5,0.5-1=0.5"))
    assert got(choice) == {"0-0.5": 6, "0.5-1": 5, "AIME": 11}, "in whole problems"


def test_a_size_is_reached_though_the_shares_are_not() -> None:
    candidates = these([0.2] * 30 + [0.8] * 5)
    choice = choose(candidates, Settings.of(difficulty="0-0.5=0.5,0.5-1=0.5", size=20))
    assert got(choice) == {"0-0.5": 15, "0.5-1": 5, "AIME": 20}


def test_what_is_in_no_bin_or_level_is_outside() -> None:
    candidates = these([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 0])
    choice = choose(candidates, Settings.of(difficulty="0.4-0.6=1,0.8-1=0", levels="AIME=1,USAMO=1"))
    assert choice.outside.tolist() == [True, False, True, True]
    assert [(one.name, one.asked, one.got, one.there) for one in choice.levels] == [
        ("AIME", 0.5, 1, 1),
        ("USAMO", 0.5, 0, 0),
    ]


def test_balanced_levels_have_equal_shares_of_those_that_are_there() -> None:
    candidates = these([0.5] * 12, [0] * 9 + [1] * 3)
    assert got(choose(candidates, Settings.of(balance=["level"], size=8))) == {"AIME": 5, "AMC12": 3}
    assert got(choose(candidates, Settings.of(balance=["level"]))) == {"AIME": 4, "AMC12": 3}, "in whole problems"


def test_balanced_concepts_stay_within_the_shares() -> None:
    concepts = [[0], [0], [1], [2], [0], [3]]
    candidates = these([0.2, 0.2, 0.2, 0.8, 0.8, 0.8], concepts=concepts)
    choice = choose(candidates, Settings.of(balance="concepts", difficulty="0-0.5=1,0.5-1=1", size=4))
    assert {tuple(concepts[one]) for one in choice.chosen.tolist()} == {(0,), (1,), (2,), (3,)}
    assert got(choice)["0-0.5"] == 2
    assert choice.concepts == (4, 4)


@pytest.mark.parametrize(
    "asked", [{"size": 20}, {"size": 20, "balance": "concepts"}, {"size": 20, "levels": "AIME=1,AMC12=2"}]
)
def test_the_set_does_not_depend_on_the_order_of_the_rows(asked: dict[str, Any]) -> None:
    draws = np.random.default_rng(0)
    n = 60
    whole = these(
        draws.choice([0.25, 0.5, 0.75], n).tolist(),
        draws.integers(0, 2, n).tolist(),
        [sorted(set(draws.integers(0, 9, 3).tolist())) for _ in range(n)],
    )
    expected = choose(whole, Settings.of(**asked)).chosen
    order = draws.permutation(n)
    sizes = np.diff(whole.starts)[order]
    shuffled = Candidates(
        whole.pass_rates[order],
        whole.levels[order],
        NAMES,
        whole.keys[order],
        np.concatenate(([0], np.cumsum(sizes))),
        np.concatenate([whole.concepts[whole.starts[one] : whole.starts[one + 1]] for one in order]),
    )
    assert set(order[choose(shuffled, Settings.of(**asked)).chosen].tolist()) == set(expected.tolist())


def test_another_seed_is_another_choice_among_equals() -> None:
    candidates = [
        Candidates(
            one.pass_rates, one.levels, NAMES, keys_of(np.arange(99, dtype=np.uint64), seed), one.starts, one.concepts
        )
        for seed, one in ((seed, these([0.5] * 99)) for seed in (1, 2))
    ]
    first, second = (set(choose(one, Settings.of(size=10)).chosen.tolist()) for one in candidates)
    assert first != second


def test_easy_problems_come_first_and_equals_in_the_order_of_their_keys() -> None:
    candidates = these([0.2, 0.9, 0.9, 0.5])
    chosen = np.arange(4)
    found = in_order(chosen, candidates, np.arange(4), "easy-first").tolist()
    assert [candidates.pass_rates[one] for one in found] == [0.9, 0.9, 0.5, 0.2]
    assert candidates.keys[found[0]] < candidates.keys[found[1]]
    assert in_order(chosen[::-1], candidates, np.arange(4), "as-is").tolist() == [0, 1, 2, 3]
    mixed = in_order(chosen, candidates, np.arange(4), "mixed")
    assert (np.diff(candidates.keys[mixed].astype(object)) > 0).all()
