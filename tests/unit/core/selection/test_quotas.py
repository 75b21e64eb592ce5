"""The number of problems of each kind: exactly as requested if possible, otherwise as close as possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.selection.quotas import allot, largest, nearest, quotas

QUOTAS = [
    ([0.5, 0.5], [10, 10], 10, [5, 5]),
    ([0.3, 0.4, 0.3], [100, 100, 100], 10, [3, 4, 3]),
    ([1 / 3, 1 / 3, 1 / 3], [9, 9, 9], 10, [4, 3, 3]),
    ([0.5, 0.5], [2, 10], 10, [2, 8]),
    ([0.25, 0.25, 0.5], [1, 100, 100], 31, [1, 10, 20]),
    ([0.5, 0.5], [2, 3], 10, [2, 3]),
    ([1.0, 0.0], [4, 9], 10, [4, 0]),
    ([0.5, 0.5], [0, 0], 3, [0, 0]),
]


@pytest.mark.parametrize(("shares", "there", "size", "expected"), QUOTAS)
def test_what_one_lacks_the_others_give_in_proportion(
    shares: list[float], there: list[int], size: int, expected: list[int]
) -> None:
    assert quotas(np.array(shares), np.array(there), size).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=6), st.integers(0, 120))
def test_quotas_add_up_to_the_size_or_to_all_that_have_a_share(pairs: list[tuple[int, int]], size: int) -> None:
    weights, there = np.array([pair[0] for pair in pairs], float), np.array([pair[1] for pair in pairs])
    found = quotas(weights / max(1.0, weights.sum()), there, size)
    assert found.sum() == min(size, there[weights > 0].sum())
    assert (found <= there).all()
    assert (found[weights == 0] == 0).all()


def test_an_allotment_takes_the_scarce_cell_that_a_greedy_choice_would_waste() -> None:
    there = np.array([[1, 1], [1, 0]])
    assert allot(there, np.array([1, 1]), np.array([1, 1])).tolist() == [[0, 1], [1, 0]]


def test_an_allotment_is_spread_over_the_cells() -> None:
    there = np.full((2, 2), 1000)
    assert allot(there, np.array([100, 100]), np.array([100, 100])).tolist() == [[50, 50], [50, 50]]


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.tuples(
            st.lists(st.lists(st.integers(0, 9), min_size=width, max_size=width), min_size=1, max_size=4),
            st.lists(st.integers(0, 20), min_size=4, max_size=4),
            st.lists(st.integers(0, 20), min_size=width, max_size=width),
        )
    )
)
def test_an_allotment_is_as_large_as_any_can_be(case: tuple[list[list[int]], list[int], list[int]]) -> None:
    there, rows, columns = np.array(case[0]), np.array(case[1][: len(case[0])]), np.array(case[2])
    found = allot(there, rows, columns)
    assert (found >= 0).all()
    assert (found <= there).all()
    assert (found.sum(axis=1) <= rows).all()
    assert (found.sum(axis=0) <= columns).all()
    assert found.sum() == _smallest_cut(there, rows, columns)


def _smallest_cut(there: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> int:
    """The largest flow by duality: over all sets of rows that are cut off from what they may give."""
    cuts = []
    for chosen in range(1 << len(rows)):
        inside = np.array([bool(chosen >> row & 1) for row in range(len(rows))])
        into = there[inside].sum(axis=0)
        cuts.append(rows[~inside].sum() + np.minimum(columns, into).sum())
    return int(min(cuts))


def test_the_largest_set_with_just_these_shares() -> None:
    there = np.array([[10], [10], [100]])
    assert largest(there, np.array([0.3, 0.4, 0.3]), np.ones(1)) == 26, "8, 10 and 8, in whole problems"
    assert largest(there, np.array([0.0, 0.5, 0.5]), np.ones(1)) == 20


def test_a_share_of_which_nothing_is_there_does_not_make_the_set_empty() -> None:
    assert largest(np.array([[0], [6], [9]]), np.array([0.5, 0.25, 0.25]), np.ones(1)) >= 12
    assert largest(np.array([[0]]), np.ones(1), np.ones(1)) == 0


def test_difficulty_is_kept_where_difficulty_and_level_cannot_both_be() -> None:
    there = np.array([[100, 0], [0, 100]])  # each difficulty has a level of its own
    given_ = nearest(there, np.array([0.5, 0.5]), np.array([0.9, 0.1]), 100)
    assert given_.tolist() == [[50, 0], [0, 50]]


def test_both_shares_are_kept_where_they_can_be() -> None:
    given_ = nearest(np.full((2, 2), 50), np.array([0.2, 0.8]), np.array([0.6, 0.4]), 50)
    assert given_.sum(axis=1).tolist() == [10, 40]
    assert given_.sum(axis=0).tolist() == [30, 20]
