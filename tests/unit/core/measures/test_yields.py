"""The combinations that reach each step, by level and concept."""

from __future__ import annotations

import numpy as np
import pytest

from promptcot.core.measures.yields import Sampled, extremes, unlike, yield_json


def sampled() -> Sampled:
    """Ten combinations: five of each level; concept 1 in all, 2 in the even ones, 3 in the last."""
    found = Sampled()
    for number in range(10):
        concepts = [1] + [2] * (number % 2 == 0) + [3] * (number == 9)
        found.add(100 + number, "AIME" if number < 5 else "AMC12", concepts)
    return found


def test_yield_by_step_and_level() -> None:
    them = sampled()
    told = yield_json(them, {"generate": them.reached(range(100, 110)), "filter": them.reached([101, 103, 109, 555])})
    assert (told["sampled"], told["steps"], told["share"]) == (10, {"generate": 10, "filter": 3}, 0.3)
    assert told["interval"] == (pytest.approx(0.1078, abs=1e-4), pytest.approx(0.6032, abs=1e-4))
    levels = {name: (one["sampled"], one["steps"]["filter"], one["share"]) for name, one in told["levels"].items()}
    assert levels == {"AIME": (5, 2, 0.4), "AMC12": (5, 1, 0.2)}


def test_a_row_that_became_several_counts_once() -> None:
    them = sampled()
    assert int(them.reached([101, 101, 101]).sum()) == 1


def test_yield_by_concept() -> None:
    them = sampled()
    found = {one.key: (one.count, one.n) for one in them.concepts(them.reached([101, 103, 109]))}
    assert found == {1: (3, 10), 2: (0, 5), 3: (1, 1)}


def test_a_concept_of_one_combination_is_neither_best_nor_worst_by_luck() -> None:
    them = sampled()
    for number in range(50):
        them.add(number, None, [4, 5 + (number % 2)])
    found = them.concepts(them.reached([*range(1, 50, 2), 109]))
    best, worst = extremes(found, 1)
    assert (best[0].key, best[0].count, best[0].n) == (6, 25, 25)
    assert (worst[0].key, worst[0].count, worst[0].n) == (5, 0, 25)
    assert unlike(found, 26 / 60) == 3  # 5 and 6, and concept 2 with none of 5


def test_no_combination_has_no_share() -> None:
    told = yield_json(Sampled(), {"filter": np.zeros(0, np.bool_)})
    assert told == {"sampled": 0, "steps": {"filter": 0}, "share": None, "interval": None, "levels": {}}


def test_levels_that_are_missing_have_a_row_of_their_own() -> None:
    them = Sampled()
    them.add(1, None, ())
    assert [*yield_json(them, {"filter": them.reached([1])})["levels"]] == ["(none)"]
