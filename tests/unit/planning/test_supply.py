"""The supply of combinations: trials counted by hand, and a table so small that all combinations are drawn."""

import math

from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.sampler import BLOCK, Sampler
from promptcot.planning.supply import Supply, try_out

TRIANGLE = [["a", "b"], ["b", "c"], ["a", "c"]]


def test_estimates_by_hand() -> None:
    supply = Supply(possible=1000, draws=10, different=8, once=7, twice=0)
    assert supply.new == 0.7
    assert supply.reach == 8 + 7 * 6 // 2
    assert supply.draws_for(8) == 8
    assert supply.draws_for(15) == 10 + 7 / 0.7


def test_repetitions_lower_what_is_thought_to_be_there() -> None:
    assert Supply(1000, 10, 8, 7, 2).reach == 8 + 7 * 6 // 6


def test_no_more_than_there_are() -> None:
    assert Supply(possible=20, draws=10, different=10, once=10, twice=0).reach == 20


def test_a_small_table_is_exhausted_and_says_so() -> None:
    supply = try_out(Sampler(ConceptTable.from_rows(TRIANGLE), size=2), seed=1, draws=100)
    assert (supply.draws, supply.possible, supply.different) == (BLOCK, 3, 3)
    assert (supply.new, supply.reach) == (0.0, 3)
    assert supply.draws_for(4) == math.inf


def test_several_sizes_are_all_counted_as_possible() -> None:
    supply = try_out(Sampler(ConceptTable.from_rows(TRIANGLE), size=[2, 3]), seed=1, draws=1)
    assert supply.possible == 3 + 1


def test_the_same_seed_gives_the_same_trial() -> None:
    sampler = Sampler(ConceptTable.from_rows([[f"c{i}", f"c{i + 1}", f"c{i + 2}"] for i in range(50)]), size=3)
    assert try_out(sampler, 8, 600) == try_out(sampler, 8, 600) != try_out(sampler, 9, 600)


@given(st.integers(1, 500), st.data())
def test_bounds_hold_for_every_trial(draws: int, data: st.DataObject) -> None:
    different = data.draw(st.integers(1, draws))
    once = data.draw(st.integers(0, different))
    twice = data.draw(st.integers(0, different - once))
    supply = Supply(10**9, draws, different, once, twice)
    assert different <= supply.reach <= supply.possible
    assert supply.draws_for(different + 1) >= different + 1 or once == draws
