"""The files of a run directory, or the file, from which a set is measured."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptcot.errors import InputError
from promptcot.pipeline import measure
from promptcot.pipeline.measure import measured
from promptcot.pipeline.vectors import vectors_by_id
from promptcot.stages.embed import FIELD

Row = dict[str, Any]


def write(path: Path, rows: Iterable[Row]) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def combination(number: int) -> Row:
    level = "AIME" if number < 4 else "AMC12"
    return {"id": f"p{number}", "level": level, "foundational_concepts": ["sets", f"c{number % 2}"]}


def problem(number: int) -> Row:
    return {**combination(number), "problem": f"Problem {'abcdefgh'[number]} is another one."}


def paid(**models: Row) -> Row:
    return {"models": models}


ASKED = {"calls": 8, "prompt_tokens": 80, "completion_tokens": 800, "cost": 0.4, "unpriced": 0}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Eight combinations; two judges see seven; five are accepted; three have a label."""
    folder = tmp_path / "run"
    write(folder / "sample.jsonl", map(combination, range(8)))
    write(folder / "generate.jsonl", map(problem, range(8)))
    write(folder / "judge-a.jsonl", map(problem, range(7)))
    write(folder / "judge-b.jsonl", map(problem, range(1, 8)))
    write(folder / "filter.jsonl", map(problem, range(1, 6)))
    write(folder / "solve.jsonl", ({**problem(n), "sample": k} for n in range(1, 6) for k in range(4)))
    write(folder / "label.jsonl", ({**problem(n), "answer": "3", "pass_rate": 0.5} for n in (1, 2, 4)))
    names = ("sample", "generate", "judge-a", "judge-b", "filter", "solve", "label")
    stages = {name: paid(**({"m@1": ASKED} if name == "generate" else {})) for name in names}
    summary = {"format": 1, "stages": stages, "validity_by_agreement": {"valid": {"1": 9}}}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_the_yield_of_a_run_is_read_from_its_files_by_id(run: Path) -> None:
    told = measured(run).as_json()["yield"]
    assert told["sampled"] == 8
    assert told["steps"] == {"generate": 8, "judge": 6, "filter": 5, "solve": 5, "label": 3}
    assert {name: one["steps"]["label"] for name, one in told["levels"].items()} == {"AIME": 2, "AMC12": 1}
    best = {one["concept"]: (one["count"], one["n"]) for one in told["concepts"]["best"]}
    assert best == {"sets": (3, 8), "c0": (2, 4), "c1": (1, 4)}


def test_all_that_a_run_paid_is_shared_by_the_problems_of_its_set(run: Path) -> None:
    spent = measured(run).as_json()["spent"]
    assert (spent["problems"], spent["cost"]) == (3, pytest.approx(0.4 / 3, abs=1e-6))


def test_validity_by_agreement_is_that_of_all_labelled_problems(run: Path) -> None:
    assert measured(run).as_json()["validity_by_agreement"] == {"valid": {"1": 9}}


def test_set_jsonl_is_the_set_where_there_is_one(run: Path) -> None:
    write(run / "set.jsonl", [problem(1)])
    assert measured(run).as_json()["rows"] == 1


def test_traces_of_one_problem_are_one_row_of_a_run_that_ends_with_them(run: Path) -> None:
    (run / "label.jsonl").unlink()
    told = measured(run).as_json()
    assert told["rows"] == 5
    assert [*told["yield"]["steps"]][-1] == "solve"


def test_a_run_that_accepted_nothing_has_no_share_of_nothing(run: Path) -> None:
    (run / "label.jsonl").write_text("")
    told = measured(run).as_json()
    assert told["rows"] == 0
    assert (told["yield"]["steps"]["label"], told["yield"]["share"]) == (0, 0)
    assert told["spent"]["cost"] is None
    assert "near_copies" not in told


def test_a_run_that_sampled_nothing_has_no_yield(run: Path) -> None:
    for file in run.glob("*.jsonl"):
        file.write_text("")
    told = measured(run).as_json()["yield"]
    assert (told["sampled"], told["share"], told["interval"]) == (0, None, None)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"stages": []}', '{"stages": {"grade": {}}}'])
def test_a_folder_of_something_else_is_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(InputError, match="run"):
        measured(tmp_path)


def test_a_large_set_is_sampled_whatever_the_order_of_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it depends on the texts alone, and the numbers that were looked at are told."""
    monkeypatch.setattr(measure, "PROBLEMS", 5)
    monkeypatch.setattr(measure, "AMONG", 20)
    rows = [{"id": n, "problem": f"Count the {'very ' * (n % 30)}small primes of kind {n // 30}"} for n in range(60)]
    one = measured(write(tmp_path / "one.jsonl", rows)).as_json()["near_copies"]
    other = measured(write(tmp_path / "other.jsonl", reversed(rows))).as_json()["near_copies"]
    assert one == other
    assert one["n"] == 5
    assert 1 < one["among"] < 60


def add_step(run: Path, name: str) -> None:
    """Let the summary have one more step, which is not the last."""
    summary = json.loads((run / "summary.json").read_text())
    summary["stages"] = {name: paid(), **summary["stages"]}
    (run / "summary.json").write_text(json.dumps(summary))


def encoded(values: list[float]) -> str:
    return base64.b64encode(np.array(values, "<f2").tobytes()).decode()


def test_vectors_of_a_step_that_embeds_are_at_hand(run: Path) -> None:
    """Three problems are left, of which two have orthogonal vectors and one has none."""
    vectors = [{**problem(1), FIELD: encoded([1, 0])}, {**problem(2), FIELD: encoded([0, 1])}]
    write(run / "embed-dedup.jsonl", vectors)
    add_step(run, "embed-dedup")
    told = measured(run).as_json()
    assert told["vectors"] == {"n": 2, "vendi": 2.0, "nearest": {"5 %": 1.0, "50 %": 1.0, "95 %": 1.0}}
    assert "embed-dedup" not in told["yield"]["steps"]


def test_a_step_that_gives_problems_other_ids_and_texts_leaves_no_vectors(run: Path) -> None:
    """Nobody asked for vectors, so it is no mistake."""
    write(run / "embed-dedup.jsonl", [{"id": "other", "problem": "Another.", FIELD: encoded([1, 0])}])
    add_step(run, "embed-dedup")
    assert "vectors" not in measured(run).as_json()


@pytest.mark.parametrize("by", ["id", "problem"])
def test_embeddings_are_named_by_id_or_by_text(by: str, tmp_path: Path) -> None:
    rows = [problem(1), problem(2), problem(3)]
    given = [{"sentence": row[by], "embedding": [1.0, float(place)]} for place, row in enumerate(rows[:2])]
    path = write(tmp_path / "rows.jsonl", rows)
    told = measured(path, vectors=partial(vectors_by_id, write(tmp_path / "vectors.jsonl", given))).as_json()["vectors"]
    assert (told["n"], told["nearest"]["50 %"]) == (2, pytest.approx(1 - 0.5**0.5, abs=1e-3))


@pytest.mark.parametrize(
    ("vectors", "why"),
    [
        ([{"id": "x", FIELD: encoded([1, 0])}], "no vector of any problem"),
        ([{"id": "p1"}], "no vector of any problem"),
        ([{"id": "p1", FIELD: encoded([0, 0])}], "no vector of any problem"),
        ([{"id": "p1", FIELD: "no base64"}], "row 1: its `problem_vector` is not a vector"),
        ([{"id": "p1", FIELD: encoded([1])}, {"id": "p2", FIELD: encoded([1, 0])}], "different lengths"),
    ],
)
def test_vectors_that_belong_to_no_problem_are_refused(vectors: list[Row], why: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [problem(1), problem(2)])
    with pytest.raises(InputError, match=why):
        measured(path, vectors=partial(vectors_by_id, write(tmp_path / "vectors.jsonl", vectors)))


def test_the_share_of_a_catalogue(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [problem(1), problem(2)])
    catalogue = write(tmp_path / "concepts.jsonl", [{"concepts": ["sets", "c0", "c1", "c2", "c3", "c4"]}])
    told = measured(path, concepts=str(catalogue)).as_json()["concepts"]
    assert (told["used"], told["known"], told["coverage"]) == (3, 6, 0.5)
