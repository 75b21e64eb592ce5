"""The rows of an export: those of a run, of a file, of a known data set; and the ones that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot import domains
from promptcot.core.columns import Columns
from promptcot.core.labelling import Band
from promptcot.errors import InputError
from promptcot.exports.examples import Example, Reader
from promptcot.exports.reading import rows_of, with_pairs
from promptcot.grading.graders import Graders
from promptcot.pipeline.synchronous import wait_for
from promptcot.records import Row
from promptcot.stages.label import Settings, label_file
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows

MATH = domains.load("math")
CHAT = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "so \\boxed{2}"}]


def written(path: Path, rows: list[Row]) -> Path:
    path.write_bytes(b"".join(map(dumps, rows)))
    return path


def silent(line: str) -> None:
    """Nobody hears of it."""


DATA_SETS: list[tuple[Any, Row, list[dict[str, Any]]]] = [
    ("rl", {"question": "Q", "answer": "work #### 7"}, [{"problem": "Q", "answer": "7"}]),
    ("rl", {"Problem": "Q", "Answer": "7", "Solution": "s"}, [{"problem": "Q", "answer": "7"}]),
    ("rl", {"problem": "Q", "expected_answer": "7"}, [{"answer": "7"}]),
    ("rl", {"data_source": "d", "prompt": [{"role": "user", "content": "Q"}], "reward_model": {"ground_truth": "7"}},
     [{"problem": "Q", "answer": "7"}]),
    ("sft", {"problem": "Q", "generations": ["a \\boxed{1}", "b \\boxed{1}"]},
     [{"completion": "a \\boxed{1}"}, {"completion": "b \\boxed{1}"}]),
    ("sft", {"problem": "Q", "solution": "by hand \\boxed{3}"}, [{"completion": "by hand \\boxed{3}", "problem": "Q"}]),
    ("sft", {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
     [{"completion": "A", "prompt": "Q"}]),
    ("sft", {"id": "a", "sample": 0, "prompt": "Q", "completion": "A", "messages": CHAT, "label": "2"},
     [{"completion": "A", "prompt": "Q"}]),
    ("rl", {"id": "a", "prompt": "Q", "messages": CHAT[:1], "answer": "2", "pass_rate": 0.5}, [{"answer": "2"}]),
    ("pairs", {"id": "a", "sample": 1, "prompt": "Q", "chosen": "A", "rejected": "B", "label": "2"},
     [{"chosen": "A", "rejected": "B"}]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "row", "fields"), DATA_SETS, ids=lambda value: str(value)[:50])
def test_known_data_sets_and_our_own_files_are_read(
    kind: Any, row: Row, fields: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = [*rows_of(written(tmp_path / "rows.jsonl", [row]), kind)()]
    found = Reader(kind, MATH)(rows)
    assert len({str(one["id"]) for one in rows}) == len(fields)
    for one, wanted in zip(found, fields, strict=True):
        assert isinstance(one, Example), one
        assert {name: getattr(one, name) for name in wanted} == wanted


def test_columns_are_named_where_no_data_set_is_known(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", [{"task": "Q", "gold": 7}])
    [row] = rows_of(path, "rl", Columns({"problem": "task", "answer": "gold"}))()
    assert (row["problem"], row["answer"]) == ("Q", 7)


@pytest.mark.parametrize("kind", ["sft", "pairs", "rl"])
def test_traces_that_nobody_has_compared_are_refused_with_the_way_out(kind: Any, tmp_path: Path) -> None:
    trace = {"id": "a", "problem": "Q", "sample": 0, "completion": "\\boxed{2}", "finish_reason": "stop"}
    with pytest.raises(InputError, match=f"first `promptcot label .*--{kind}_path"):
        rows_of(written(tmp_path / "solve.jsonl", [trace]), kind)()


@pytest.mark.parametrize("kind", ["pairs", "rl"])
def test_traces_that_label_chose_are_refused_for_what_they_are(kind: Any, tmp_path: Path) -> None:
    row = {"id": "a", "prompt": "Q", "sample": 0, "completion": "\\boxed{2}", "label": "2"}
    with pytest.raises(InputError, match=f"for supervised fine-tuning; .*--{kind}_path"):
        rows_of(written(tmp_path / "sft.jsonl", [row]), kind)()


@pytest.mark.parametrize(("files", "why"), [([], "this is not a run directory"), (["recipe.json"], "has not ended")])
def test_a_folder_without_a_set_is_refused(files: list[str], why: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=why):
        rows_of(tmp_path, "rl")


def trace(name: str, sample: int, text: str, reason: str = "stop") -> Row:
    more = {"finish_reason": reason, "truncated": reason == "length"}
    return {
        "id": name,
        "problem": f"Problem {name}?",
        "prompt": "generator's",
        "sample": sample,
        "completion": text,
        **more,
    }


def run_of(folder: Path) -> Path:
    """A run of problems with both kinds of traces, right ones only, a wrong one cut off; one is not in the set."""
    both = [trace("both", n, f"trace {n} \\boxed{{{2 if n < 5 else 3}}}") for n in range(8)]
    right = [trace("right", n, "\\boxed{2}") for n in range(3)]
    cut = [trace("cut", 0, "\\boxed{2}"), trace("cut", 1, "\\boxed{2}"), trace("cut", 2, "\\boxed{3}", "length")]
    out = [trace("out", 0, "\\boxed{2}"), trace("out", 1, "\\boxed{2}"), trace("out", 2, "\\boxed{3}")]
    written(folder / "solve.jsonl", [*both, *right, *out, *cut])
    rows = [
        {"id": name, "problem": f"Problem {name}?", "answer": "2", "agreement": 0.75}
        for name in ("cut", "both", "right")
    ]
    written(folder / "set.jsonl", rows)
    (folder / "recipe.json").write_text(json.dumps({"recipe": {"label": {"unboxed": False}}}))
    return folder


def test_the_pairs_of_a_run_are_those_that_label_chooses(tmp_path: Path) -> None:
    run, scratch = run_of(tmp_path), tmp_path / "scratch"
    with Graders(1) as graders:
        found = Reader("pairs", MATH)([*with_pairs(run, MATH, graders, scratch, silent, seed=3)()])
        targets = {"label": tmp_path / "label.jsonl", "pairs": tmp_path / "pairs.jsonl"}
        wait_for(label_file(run / "solve.jsonl", targets, graders, Settings(Band(), MATH, seed=3), silent))
    labelled = {str(row["id"]): row for row in read_rows(tmp_path / "pairs.jsonl")}
    assert [found[0], found[2]] == ["no right and wrong trace"] * 2
    assert isinstance(found[1], Example)
    assert found[1].id == "both"
    assert (found[1].chosen, found[1].rejected) == (labelled["both"]["chosen"], labelled["both"]["rejected"])
    assert found[1].prompt.startswith("Problem both?")
    assert not scratch.exists()


def test_the_pairs_of_a_run_touch_nothing_before_they_are_read(tmp_path: Path) -> None:
    run, scratch = run_of(tmp_path), tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "of another process").touch()
    with Graders(1) as graders:
        with_pairs(run, MATH, graders, scratch, silent)
    assert [path.name for path in scratch.iterdir()] == ["of another process"]


def test_a_run_without_traces_has_no_pairs(tmp_path: Path) -> None:
    (run_of(tmp_path) / "solve.jsonl").unlink()
    with Graders(1) as graders, pytest.raises(InputError, match=r"no solve\.jsonl"):
        with_pairs(tmp_path, MATH, graders, tmp_path / "scratch", silent)
