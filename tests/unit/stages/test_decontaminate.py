"""The step `decontaminate`: the outcome of a row, and the summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promptcot.core.overlap.contamination import Reference
from promptcot.core.overlap.vectors import as_text
from promptcot.errors import InputError, UsageError
from promptcot.evaluation.references import References
from promptcot.records import Drop, Item
from promptcot.stages import beside, called, decontaminate
from promptcot.stages.decontaminate import Decontaminate
from promptcot.stages.embed import FIELD

PROBLEM = "A tram leaves the depot every 12 minutes and needs 50 minutes for its round. How many trams are on the way?"
REFERENCES = References((Reference("trams", 7, "t7", PROBLEM),), {"trams": 1}, {"gsm8k": "hf download it"})


def step(**how: Any) -> Decontaminate:
    return Decontaminate(REFERENCES, **how)


def test_a_row_that_is_left_out_shows_the_benchmark_row_and_the_overlap() -> None:
    found = step().apply({"id": "r1", "problem": f"Warm up first. {PROBLEM}"})
    assert isinstance(found, Drop)
    assert found.reason == "benchmark problem"
    told = found.details["contamination"]
    assert (told["benchmark"], told["row"], told["id"], told["rule"], told["share"]) == (
        "trams",
        7,
        "t7",
        "embedded",
        1,
    )
    assert told["problem"] == PROBLEM
    assert told["overlap"].startswith("a tram leaves the depot every 12 minutes")


def test_other_rows_pass_unchanged() -> None:
    row = {"id": "r1", "problem": "Find the least prime above 70.", "more": {"a": [1]}}
    assert step().apply(row) == [row]


@pytest.mark.parametrize(
    "row", [{"id": "1"}, {"id": "1", "problem": ""}, {"id": "1", "problem": None}, {"problem": 3}, {"problem": "$ $."}]
)
def test_a_row_without_a_problem_is_left_out_as_dedup_does_and_counted(row: dict[str, Any]) -> None:
    one = step()
    left = called.apply(one, row)
    assert isinstance(left, Drop)
    assert left.reason == "no problem text"
    assert one.summary()["contamination"]["without_problem"] == 1


def test_of_a_prompt_the_markup_of_a_chat_is_left_out() -> None:
    assert isinstance(step().apply({"id": "1", "prompt": f"<|im_start|>user\n{PROBLEM}<|im_end|>"}), Drop)


def test_other_numbers_are_a_benchmark_problem_unless_numbers_count() -> None:
    one = References((Reference("powers", 1, "p", "What is the value of 61^2 - 39^2?"),), {"powers": 1})
    row = {"id": "1", "problem": "What is the value of 83^2 - 17^2?"}
    assert isinstance(Decontaminate(one).apply(row), Drop)
    assert Decontaminate(one, mask_numbers=False).apply(row) == [row]


def test_the_summary_says_with_what_rows_were_compared_and_what_was_found() -> None:
    one = step()
    for problem in (PROBLEM, "Find the least prime above 70."):
        one.apply({"id": "r", "problem": problem})
    assert one.summary()["contamination"] == {
        "status": "decontaminated",
        "against": {"trams": 1},
        "not_at_hand": {"gsm8k": "hf download it"},
        "mask_numbers": True,
        "found": {"trams": 1},
        "rules": {"same text": 1},
        "without_problem": 0,
    }
    assert not [*one.finish()]


def test_without_references_every_row_stays() -> None:
    one = Decontaminate(References((), {}))
    row = {"id": "1", "problem": PROBLEM}
    assert one.apply(row) == [row]
    assert one.summary()["contamination"]["status"] == "not decontaminated"


def carrying(problem: str, *vector: float) -> dict[str, Any]:
    return {"id": "r", "problem": problem, FIELD: as_text(np.array(vector, dtype=np.float32))}


NEAR = {"semantic": 0.9, "vectors": np.array([[1.0, 0.0]])}


def test_a_problem_that_is_near_in_meaning_is_left_out() -> None:
    found = step(**NEAR).apply(carrying("How many trams serve a line?", 0.95, 0.2))
    assert isinstance(found, Drop)
    told = found.details["contamination"]
    assert (told["rule"], told["benchmark"], told["overlap"]) == ("meaning", "trams", "how many trams")
    assert 0.97 < told["share"] < 0.98


def test_vectors_are_taken_off_rows_that_stay() -> None:
    row = {"id": "r", "problem": "How many trams serve a line?"}
    for one in (step(**NEAR), step()):
        assert one.apply(carrying(str(row["problem"]), 0.5, 0.5)) == [row]
    assert step(**NEAR).apply(row) == [row]  # without a vector, texts alone are compared
    assert isinstance(step(**NEAR).apply({"id": "r", "problem": PROBLEM}), Drop)


def test_where_a_model_confirms_a_near_problem_goes_on_suspected() -> None:
    one = step(**NEAR, confirm=True)
    [row] = one.apply(carrying("How many trams serve a line?", 1.0, 0.0))
    assert row["suspected"]["problem"] == PROBLEM
    assert row["suspected"]["contamination"]["rule"] == "meaning"
    assert isinstance(one.apply({"id": "r", "problem": PROBLEM}), Drop)  # the same text needs no model
    assert one.summary()["contamination"]["suspected"] == 1


def test_vectors_have_to_belong_to_the_references() -> None:
    with pytest.raises(UsageError, match="a vector of each problem"):
        step(semantic=0.9)
    with pytest.raises(UsageError, match="a vector of each problem"):
        step(semantic=0.9, vectors=np.zeros((2, 2)))
    with pytest.raises(InputError, match="3 dimensions, but those of the benchmarks have 2"):
        step(**NEAR).apply(carrying("How many trams?", 1.0, 0.0, 0.0))


@pytest.mark.parametrize("machine", [1, 2])
def test_what_is_compared_ahead_is_what_is_compared_here(machine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_MANY", 3), ("_AT_ONCE", 4), ("cores", lambda: 2)):
        monkeypatch.setattr(decontaminate, name, value)
    monkeypatch.setattr(beside, "cores", lambda: machine)
    problems = ["Find a root.", PROBLEM, "", f"Warm up first. {PROBLEM}", "\ud800", PROBLEM, "Find a root.", "$$"] * 5
    items = [Item(place, {"id": str(place), "problem": problem}) for place, problem in enumerate(problems)]
    here, one = step(), step()
    expected = [here.apply(item.row) for item in items]
    assert [one.apply(item.row) for item in one.looked_up(items)] == expected
    assert one.summary() == here.summary()
