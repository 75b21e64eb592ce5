"""What a run says of its cost once it has ended."""

from __future__ import annotations

from promptcot.cli.report.run import whole_cost
from promptcot.storage.budget import Paid
from promptcot.storage.counts import StageCounts


def stage(name: str, cost: float, unpriced: int = 0) -> StageCounts:
    """A stage that made ten calls, some of them of a model without a price."""
    return StageCounts(name, paid={"m": Paid(10, 100, 100, cost, unpriced)})


def test_the_costs_of_all_steps_are_added_up() -> None:
    [line] = whole_cost([stage("generate", 0.25), stage("judge-a", 1.5)])
    assert line == "in all: cost 1.7500"


def test_a_step_without_a_price_is_named_and_one_that_asked_nothing_is_not() -> None:
    asked = [stage("generate", 0.25), stage("judge-a", 1.5), stage("judge-b", 0.0, unpriced=10), StageCounts("solve")]
    [line] = whole_cost(asked)
    assert line == "in all: cost 1.7500, without judge-b: no price"


def test_a_single_cost_is_not_told_twice() -> None:
    assert not list(whole_cost([stage("generate", 0.25), stage("judge-a", 0.0, unpriced=10)]))
