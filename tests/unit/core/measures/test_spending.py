"""The cost per problem of a set, from the counts of a summary."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.measures.spending import spending


def stage(calls: int, prompt: int, completion: int, cost: float | None, unpriced: int = 0) -> dict[str, Any]:
    paid = {"calls": calls, "prompt_tokens": prompt, "completion_tokens": completion, "cost": cost}
    return {"models": {"m@1": {**paid, "unpriced": unpriced}}}


STAGES = {
    "encode": stage(9, 900, 0, 1.0),
    "sample": {"models": {}},
    "generate": stage(20, 200, 4000, 2.0),
    "judge-a": stage(10, 1000, 100, None, 10),
}


def test_all_that_was_paid_is_shared_by_the_problems_that_are_left() -> None:
    told = spending(STAGES, 5)
    assert told is not None
    assert (told["calls"], told["prompt_tokens"], told["completion_tokens"], told["cost"]) == (6, 240, 820, 0.4)
    assert told["steps"]["generate"] == {"calls": 4, "prompt_tokens": 40, "completion_tokens": 800, "cost": 0.4}
    assert told["steps"]["judge-a"]["cost"] is None
    assert told["without_price"] == ["judge-a"]


def test_without_a_problem_there_is_no_cost_of_one() -> None:
    told = spending(STAGES, 0)
    assert told is not None
    assert (told["problems"], told["calls"], told["cost"]) == (0, None, None)


def test_without_a_price_there_is_no_cost() -> None:
    told = spending({"judge-a": STAGES["judge-a"]}, 5)
    assert told is not None
    assert told["cost"] is None


def test_models_of_one_step_are_added_up() -> None:
    models = {"old@1": stage(1, 10, 10, 1.0)["models"]["m@1"], "new@2": stage(3, 30, 30, 2.0)["models"]["m@1"]}
    told = spending({"generate": {"models": models}}, 1)
    assert told is not None
    assert (told["calls"], told["cost"]) == (4, 3.0)


@pytest.mark.parametrize("stages", [{}, {"sample": {"models": {}}}, {"generate": {}}, {"generate": None}])
def test_nothing_asked_is_nothing_spent(stages: dict[str, Any]) -> None:
    assert spending(stages, 3) is None
