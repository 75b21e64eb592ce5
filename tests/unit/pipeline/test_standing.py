"""The cost of a row through all steps: by the rows that reach each step, not by calls ahead of time or earlier ones."""

from __future__ import annotations

import pytest

from promptcot import domains
from promptcot.pipeline.plan import groups_of, steps_of
from promptcot.pipeline.standing import costs_of_a_row, standing_of_job
from promptcot.recipe.loading import parse
from promptcot.storage.budget import Paid
from promptcot.storage.counts import BEYOND_TARGET, StageCounts

RECIPE = parse({"name": "x", "prompts": "nano", "judge": [{"name": "a"}, {"name": "b"}]})
GROUPS = list(groups_of(steps_of(RECIPE, domains.load("nano"))))


def counts(name: str, done: int, written: int, calls: int, answered: int, cost: float = 0.0) -> StageCounts:
    made = StageCounts(name, done, written, written, answered, calls=calls)
    made.dropped["unreadable"] = done - written
    made.paid = {"m": Paid(calls, 10, 10, cost)} if cost else {}
    return made


def seen(judge_cost: float = 0.0) -> dict[str, StageCounts]:
    judges = [counts(f"judge-{name}", 80, 80, 88, 88, judge_cost) for name in "ab"]
    return {
        one.name: one for one in (counts("generate", 100, 80, 150, 150, 300.0), *judges, counts("filter", 80, 9, 0, 0))
    }


def test_judges_are_asked_about_what_the_generator_lets_through() -> None:
    calls, cost = costs_of_a_row(GROUPS, seen())
    assert calls == pytest.approx(1 + 0.8 * 2)
    assert cost == pytest.approx(2.0)


def test_a_call_costs_what_it_cost_on_average_however_many_were_paid() -> None:
    _, cost = costs_of_a_row(GROUPS, seen(judge_cost=44.0))
    assert cost == pytest.approx(2.0 + 0.8 * 2 * 0.5)


def test_several_samples_and_second_tries_count() -> None:
    made = counts("solve", 10, 10, 88, 11)
    assert standing_of_job(made, 100).row_calls == 8


def test_calls_beyond_a_target_are_those_of_no_row_within() -> None:
    made = counts("generate", 100, 100, 130, 130)
    made.rows_in, made.dropped[BEYOND_TARGET] = 140, 40
    assert made.calls_beyond == 30
