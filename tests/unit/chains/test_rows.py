"""Rows between the commands: problems that are in no benchmark, and traces assigned to wrong problems."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot import nano
from promptcot.chains.rows import IN_BENCHMARK, REPEATED, derangement, freshness, mismatched
from promptcot.cli import main
from promptcot.core.overlap.contamination import Reference
from promptcot.errors import InputError
from promptcot.evaluation.references import References
from promptcot.storage.rows import read_rows


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(0, 1000))
def test_a_derangement_has_no_fixed_point_and_gives_nothing_of_its_own_key(keys: list[int], seed: int) -> None:
    if 2 * max(Counter(keys).values()) > len(keys):
        with pytest.raises(ValueError, match="more than half"):
            derangement(keys, random.Random(seed))
        return
    given = derangement(keys, random.Random(seed))
    assert sorted(given) == list(range(len(keys)))
    assert all(keys[place] != keys[other] for place, other in enumerate(given))


def test_a_derangement_depends_on_its_seed_alone() -> None:
    one, same, other = (derangement(range(50), random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_many_rows_that_collide_are_exchanged_in_no_time() -> None:
    keys = [number % 2 for number in range(20_000)]
    given = derangement(keys, random.Random(0))
    assert all(keys[place] != keys[other] for place, other in enumerate(given))


def rows(n: int, traces: int = 2) -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{number}",
            "source": "mine",
            "sample": sample,
            "prompt": f"ask {number}",
            "completion": f"trace {number}.{sample}",
            "messages": [
                {"role": "user", "content": f"{number}?"},
                {"role": "assistant", "content": f"trace {number}.{sample}"},
            ],
            "label": str(number),
        }
        for number in range(n)
        for sample in range(traces)
    ]


def test_mismatched_rows_are_the_same_traces_under_other_problems() -> None:
    before = rows(20)
    after = mismatched(before, random.Random(0))
    assert [row["prompt"] for row in after] == [row["prompt"] for row in before]
    assert Counter(row["completion"] for row in after) == Counter(row["completion"] for row in before)
    for row, other in zip(before, after, strict=True):
        assert (other["id"], other["sample"]) == (row["id"], row["sample"])
        assert other["trace_of"] != row["id"]
        assert other["label"] != row["label"]
        assert other["messages"] == [row["messages"][0], {"role": "assistant", "content": other["completion"]}]


def test_equal_labels_of_two_problems_are_not_wrong_for_each_other() -> None:
    before = [{**row, "label": "7" if row["id"] in ("p0", "p1") else row["label"]} for row in rows(6)]
    for seed in range(20):
        after = mismatched(before, random.Random(seed))
        assert all(other["label"] != row["label"] for row, other in zip(before, after, strict=True))


def test_rows_that_mostly_have_one_label_cannot_be_mismatched() -> None:
    with pytest.raises(InputError, match=r"6 of 8 training rows have the label '7'.*control = false"):
        mismatched([{**row, "label": "7" if row["id"] != "p0" else "0"} for row in rows(4)], random.Random(0))


def test_a_problem_of_a_benchmark_is_found_however_it_is_spelt_and_other_numbers_are_others() -> None:
    held_out = "Find  the sum of $\\frac{1}{2}$ and all divisors of 60 below 20."
    why_not = freshness(References((Reference("b", 1, "1", held_out),), {"b": 1}))
    assert why_not("find the\nSum of \\(\\dfrac12\\) and all divisors of 60 below 20 ") == IN_BENCHMARK
    assert why_not(f"Warm up. {held_out} Then rest.") == IN_BENCHMARK
    assert why_not("Find the sum of $\\frac{1}{3}$ and all divisors of 84 below 30.") is None
    assert why_not("Find the product.") is None
    assert why_not("Find the  product.") == REPEATED


def test_the_command_drops_what_the_evaluation_would_ask(tmp_path: Path) -> None:
    held_out = next(read_rows(nano.benchmark_path()))["problem"]
    data = [{"id": "1", "problem": held_out}, {"id": "2", "problem": "What is 1 + 1?"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    told = ["--data_path", str(tmp_path / "in.jsonl"), "--output_path", str(tmp_path / "out.jsonl")]
    assert main(["chain", "fresh", "--eval_recipe", "nano", *told]) == 0
    assert [row["id"] for row in read_rows(tmp_path / "out.jsonl")] == ["2"]
    assert [row["reason"] for row in read_rows(tmp_path / "out.dropped.jsonl")] == [IN_BENCHMARK]


def test_the_command_writes_a_control_that_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(8)))
    targets = [tmp_path / f"{name}.jsonl" for name in ("one", "two", "other")]
    for target, seed in zip(targets, ("1", "1", "2"), strict=True):
        told = ["--data_path", str(tmp_path / "in.jsonl"), "--output_path", str(target), "--seed", seed]
        assert main(["chain", "mismatch", *told]) == 0
    one, same, other = (target.read_bytes() for target in targets)
    assert one == same != other


@pytest.mark.parametrize("row", [{"id": "1"}, {"completion": "x", "messages": []}, {"completion": "x", "messages": 3}])
def test_a_row_without_a_trace_is_named(row: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="training row 9: it has no trace"):
        mismatched([*rows(4), row], random.Random(0))


def test_labels_may_be_anything_and_rows_may_have_messages_or_none() -> None:
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "own"}]
    before = [{"id": f"{n}", "label": [n], "completion": f"trace {n}"} for n in range(4)]
    before[0] = {**before[0], "messages": turns}
    after = mismatched(before, random.Random(0))
    assert after[0]["messages"][-1]["content"] == after[0]["completion"] != "trace 0"
