"""The traces of a problem in a run: the same requests as the verb's, and any replies are read."""

from __future__ import annotations

import pytest

from promptcot import domains
from promptcot.core.labelling import problem_row
from promptcot.recipe.schema import Model
from promptcot.records import UNANSWERED, Completion, Row, Sampling
from promptcot.stages.defaults import solver_name
from promptcot.stages.solve import Solve, samples
from promptcot.stages.traces import Traces

ROW: Row = {"id": "a1", "problem": "Find gcd(6, 4).", "completion": "what the generator wrote", "finish_reason": "stop"}
SOLVE = Solve(domains.load("math"), Sampling(max_tokens=50), 5, model="teacher")


def replies(*texts: str | None) -> list[Completion]:
    return [Completion("", UNANSWERED) if text is None else Completion(text, "stop", 3, 4) for text in texts]


@pytest.mark.parametrize("chat", [False, True])
def test_a_run_asks_what_the_verb_asks_with_the_same_keys(chat: bool) -> None:
    solve = Solve(domains.load("math"), Sampling(), 7, chat)
    by_verb = [request.key("m") for row in samples([ROW], 4) for request in solve.ask(row)]
    assert [request.key("m") for request in Traces(solve, 4).ask(ROW)] == by_verb
    assert len(set(by_verb)) == 4


def test_each_trace_is_a_row_as_the_verb_gives_it() -> None:
    found = Traces(SOLVE, 2).read(ROW, replies("one", "two"))
    alone = [SOLVE.trace({**ROW, "sample": sample}, reply) for sample, reply in enumerate(replies("one", "two"))]
    assert found == [{**row, "trace_count": 2} for row in alone]
    assert [row["model"] for row in found] == ["teacher", "teacher"]


def test_a_call_that_failed_costs_its_own_trace_and_keeps_the_numbers_of_the_others() -> None:
    found = Traces(SOLVE, 4).read(ROW, replies(None, "b", None, "d"))
    assert [(row["sample"], row["completion"], row["trace_count"]) for row in found] == [(1, "b", 2), (3, "d", 2)]


def test_an_empty_reply_is_a_trace_and_a_malformed_one_is_not_asked_again() -> None:
    found = Traces(Solve(domains.load("math"), Sampling(), 5, resample=True), 2).read(ROW, replies("", "<think>x"))
    assert [row.get("malformed") for row in found] == [None, "thinking not closed"]
    assert [Traces(SOLVE, 2).unusable(row) for row in found] == ["empty", None]


def test_nothing_that_solving_adds_stays_with_the_problem() -> None:
    [trace] = Traces(SOLVE, 1).read(ROW, replies("x"))
    assert problem_row(trace) == {"id": "a1", "problem": "Find gcd(6, 4)."}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Model(), "nano:solver"),
        (Model(model="nano:solver"), "nano:solver"),
        (Model(model="Qwen/QwQ-32B"), "Qwen/QwQ-32B"),
        (Model(model="Qwen/QwQ-32B", base_url="http://127.0.0.1:1/v1"), "Qwen/QwQ-32B"),
        (Model(base_url="http://127.0.0.1:1/v1"), "unnamed"),
    ],
)
def test_a_solver_is_called_as_its_model_was_named(model: Model, name: str) -> None:
    assert solver_name(model) == name
