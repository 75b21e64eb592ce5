"""Requests to a solver, and the fields of its traces."""

from __future__ import annotations

import pytest

from promptcot import domains
from promptcot.errors import InputError
from promptcot.records import Completion, Message, Retry, Row, Sampling, derive_seed
from promptcot.stages.solve import Solve, samples

MATH = domains.load("math")
SAMPLING = Sampling(temperature=0.6, max_tokens=50)
ROW: Row = {"id": "a1", "problem": "Find gcd(6, 4).", "prompt": "Concepts: gcd", "sample": 2, "note": [1]}


def stage(**options: object) -> Solve:
    return Solve(MATH, SAMPLING, 5, **options)


def test_each_row_comes_n_times_and_keeps_its_fields() -> None:
    found = list(samples([{"id": "a", "sample": 9}, {"id": "b"}], 2))
    assert found == [
        {"id": "a", "sample": 0},
        {"id": "a", "sample": 1},
        {"id": "b", "sample": 0},
        {"id": "b", "sample": 1},
    ]


def test_every_trace_has_a_seed_of_its_own_that_depends_on_the_run_the_problem_and_the_sample_alone() -> None:
    rows = [{**ROW, "id": name, "sample": sample} for name in ("a1", "a2") for sample in range(3)]
    seeds = [stage().ask(row)[0].seed for row in rows]
    assert len(set(seeds)) == 6
    assert seeds[0] == derive_seed(5, "a1", 0) == stage(chat=True).ask({**rows[0], "note": 2})[0].seed


def test_the_problem_is_asked_and_not_the_prompt_that_it_was_generated_from() -> None:
    [request] = stage().ask(ROW)
    assert request.prompt.startswith("Find gcd(6, 4).")
    assert r"\boxed{}" in request.prompt
    assert "Concepts" not in request.prompt
    assert (request.sample, request.sampling, request.messages) == (2, SAMPLING, ())


def test_a_row_without_a_problem_is_asked_with_its_prompt_as_it_is() -> None:
    assert stage().ask({"id": "a", "sample": 0, "prompt": "<raw> {{ x }}"})[0].prompt == "<raw> {{ x }}"
    assert stage(style="row").ask(ROW)[0].prompt == "Concepts: gcd"


@pytest.mark.parametrize(
    ("style", "markup"), [("deepseek-r1", "<｜Assistant｜><think>"), ("qwq", "<|im_start|>assistant\n<think>")]
)
def test_a_style_is_the_public_form_of_the_prompt_and_opens_the_thinking(style: str, markup: str) -> None:
    assert stage(style=style).ask(ROW)[0].prompt.rstrip("\n").endswith(markup)


def test_in_a_chat_the_problem_is_the_users_turn() -> None:
    [request] = stage(chat=True).ask(ROW)
    assert request.prompt == ""
    assert [message.role for message in request.messages] == ["user"]
    assert isinstance(request.messages[0], Message)
    assert "Find gcd(6, 4)." in request.messages[0].content


@pytest.mark.parametrize("row", [{}, {"problem": ""}, {"prompt": None}])
def test_a_row_with_nothing_to_ask_is_named(row: Row) -> None:
    with pytest.raises(InputError, match="solve: row a1 has no text"):
        stage().ask({"id": "a1", "sample": 0, **row})


def test_the_trace_is_added_to_the_row() -> None:
    [row] = stage().read(ROW, [Completion(r"\boxed{2}", "stop", 7, 9)])
    added = {"completion": r"\boxed{2}", "finish_reason": "stop", "truncated": False}
    assert row == {**ROW, **added, "prompt_tokens": 7, "completion_tokens": 9}


def test_a_malformed_trace_is_kept_and_marked_unless_resampling_is_asked_for() -> None:
    reply = Completion("<think>hm", "stop")
    [row] = stage().read(ROW, [reply])
    assert row["malformed"] == "thinking not closed"
    found = stage(resample=True).read(ROW, [reply])
    assert isinstance(found, Retry)
    assert (found.reason, found.otherwise) == ("thinking not closed", [row])


def test_a_trace_that_was_cut_off_is_never_asked_for_again() -> None:
    [row] = stage(resample=True).read(ROW, [Completion("<think>hm", "length")])
    assert (row["truncated"], row["malformed"]) == (True, "thinking not closed")


def test_thinking_that_the_prompt_opened_must_be_closed() -> None:
    [row] = stage(style="qwq").read(ROW, [Completion("hm", "stop")])
    assert row["malformed"] == "thinking not closed"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Completion("It is 2.", "stop"), None),
        (Completion("<think>hm", "stop"), None),
        (Completion(r"\boxed{2}", "length"), "cut off"),
        (Completion(" \n", "stop"), "empty"),
    ],
    ids=["no box", "malformed", "cut off", "empty"],
)
def test_of_no_use_is_a_trace_that_is_cut_off_or_empty(reply: Completion, why: str | None) -> None:
    [row] = stage().read(ROW, [reply])
    assert stage().unusable(row) == why
