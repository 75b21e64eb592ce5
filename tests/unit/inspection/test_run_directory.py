"""The files of a run directory in whatever state it is, the lines about a row, and the id that is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.core.history import assemble
from promptcot.errors import InputError
from promptcot.inspection.files import RunFiles
from promptcot.inspection.finding import find, id_of
from promptcot.inspection.overview import overview
from promptcot.storage.atomic import locked

ROWS: dict[str, list[dict[str, Any]]] = {
    "encode": [{"id": "concept"}],
    "sample": [{"id": name} for name in ("aa1", "aa2", "b", 'q"\\', "é\ud800")],
    "judge-x": [{"id": "aa1", "judge": "x", "judgement": "perfect"}],
    "filter": [{"id": "aa1"}, {"id": "b"}],
    "filter.dropped": [{"id": "aa2", "reason": "bad"}, {"id": 'q"\\', "reason": "bad"}],
    "own": [{"nested": {"id": "aa2"}, "id": "aa1"}, {"nested": {"id": "aa1"}, "id": "z9"}],
    "own.failed": [{"id": "b", "cause": "timeout", "error": "late"}],
    "set": [{"id": "aa1", "level": "AIME"}],
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    for name, rows in ROWS.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stage = {"in": 5, "out": 2, "dropped": {"bad": 2, "beyond target": 9}, "failed": {}}
    stages = {"encode": stage, "sample": {"out": 5}, "judge-x": {}, "filter": stage, "own": {"out": 2}}
    (folder / "summary.json").write_text(json.dumps({"format": 1, "stages": stages}))
    (folder / "recipe.json").write_text(json.dumps({"recipe": {"name": "mine", "seed": 1}}))
    (folder / "lock").touch()
    return folder


def steps(folder: Path) -> list[str]:
    return [step.name for step in RunFiles.of(folder).steps]


def test_the_steps_are_those_of_the_summary_in_its_order(run: Path) -> None:
    (run / "stale.jsonl").write_text("{}\n")
    files = RunFiles.of(run)
    assert [step.name for step in files.steps] == ["sample", "judge-x", "filter", "own"]
    assert (files.state, files.set_path) == ("finished", run / "set.jsonl")
    assert files.recipe == {"name": "mine", "seed": 1}
    step = files.steps[2]
    assert (step.rows, step.dropped, step.failed) == (run / "filter.jsonl", run / "filter.dropped.jsonl", None)


def test_a_run_that_a_process_writes_says_so_and_its_unfinished_files_are_read(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "recipe.json").unlink()
    for path in [*run.glob("*.jsonl")]:
        path.rename(path.with_name(f"{path.name}.partial"))
    with (run / "filter.jsonl.partial").open("a") as file:
        file.write('{"id": "to')
    with locked(run / "lock"):
        files = RunFiles.of(run)
        assert files.state == "being written"
    assert RunFiles.of(run).state == "interrupted"
    assert [step.name for step in files.steps] == ["sample", "judge-x", "filter", "own"]
    assert assemble("b", find(files, ["b"])["b"]).fate.kind == "failed"
    assert overview(files).out["filter"] == 2


@pytest.mark.parametrize("gone", ["sample", "filter", "own"])
def test_a_half_deleted_run_says_so(run: Path, gone: str) -> None:
    (run / f"{gone}.jsonl").unlink()
    files = RunFiles.of(run)
    assert files.state == "incomplete"
    assert find(files, ["aa1"])["aa1"][-1].step == "set"
    assert id_of(files, "aa1") == "aa1"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"stages": 3}', '{"stages": {"filter": null}}'])
def test_a_damaged_summary_is_no_error(run: Path, text: str) -> None:
    (run / "summary.json").write_text(text)
    (run / "recipe.json").write_text(text)
    files = RunFiles.of(run)
    assert "filter" in [step.name for step in files.steps]
    assert files.recipe is None
    assert overview(files).out["filter"] == 2


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a"}\n')
    for path, words in (
        (tmp_path, "no files of a run"),
        (tmp_path / "rows.jsonl", "is a file"),
        (tmp_path / "x", "no such directory"),
    ):
        with pytest.raises(InputError, match=words):
            RunFiles.of(path)


def test_all_lines_about_a_row_are_found_and_no_others(run: Path) -> None:
    found = find(RunFiles.of(run), ["aa1", "aa2", "b", 'q"\\', "é\ud800", "nothing"])
    told = {name: [(one.step, one.outcome) for one in events] for name, events in found.items()}
    assert told["aa1"] == [("sample", "out"), ("judge-x", "out"), ("filter", "out"), ("own", "out"), ("set", "out")]
    assert told["aa2"] == told['q"\\'] == [("sample", "out"), ("filter", "dropped")]
    assert told["b"] == [("sample", "out"), ("filter", "out"), ("own", "failed")]
    assert told["é\ud800"] == [("sample", "out")]
    assert told["nothing"] == []


def test_without_a_set_what_came_through_the_last_step_is_in_it(run: Path) -> None:
    (run / "set.jsonl").unlink()
    files = RunFiles.of(run)
    assert assemble("aa1", find(files, ["aa1"])["aa1"]).fate.kind == "in the set"
    assert assemble("b", find(files, ["b"])["b"]).fate.kind == "failed"


@pytest.mark.parametrize(("given", "meant"), [("aa1", "aa1"), ("b", "b"), ("q", 'q"\\'), ("z", "z9")])
def test_the_beginning_of_an_id_is_enough(run: Path, given: str, meant: str) -> None:
    assert id_of(RunFiles.of(run), given) == meant


def test_a_whole_id_comes_before_one_that_begins_with_it(run: Path) -> None:
    with (run / "own.jsonl").open("a") as rows:
        rows.write('{"id":"aa","problem":"p"}\n')
    assert id_of(RunFiles.of(run), "aa") == "aa"


def test_files_that_a_summary_names_elsewhere_are_not_read(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.jsonl").write_text('{"id":"secret"}\n')
    names = ["filter", "../elsewhere", str(tmp_path / "elsewhere"), "a\0b", "long" * 200, "\ud800", ""]
    (run / "summary.json").write_text(json.dumps({"stages": {name: {"out": 1} for name in names}}))
    assert [step.name for step in RunFiles.of(run).steps] == ["filter"]


@pytest.mark.parametrize("kind", ["dropped", "failed"])
def test_a_file_of_losses_that_is_gone_is_missing(run: Path, kind: str) -> None:
    summary = json.loads((run / "summary.json").read_bytes())
    summary["stages"]["sample"] = {"out": 1, kind: {"timeout": 1}}
    (run / "summary.json").write_text(json.dumps(summary))
    files = RunFiles.of(run)
    assert (files.state, files.missing) == ("incomplete", [f"sample.{kind}.jsonl"])


def test_a_torn_row_is_not_counted(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "filter.jsonl").rename(run / "filter.jsonl.partial")
    with (run / "filter.jsonl.partial").open("a") as rows:
        rows.write('{"id":"torn","problem":"half a l')
    assert overview(RunFiles.of(run)).out["filter"] == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a", "2 ids begin with 'a': aa1, aa2; give more"),
        ("aa3", "no row has the id 'aa3'; the nearest are aa1, aa2"),
        ("", "no row has the id ''"),
        ("x\x1b[31m", "no row has the id"),
    ],
)
def test_an_id_that_is_none_or_several_names_near_ones(run: Path, given: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        id_of(RunFiles.of(run), given)
    assert words in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_an_overview_has_examples_of_each_reason_and_nothing_beyond_the_target(run: Path) -> None:
    found = overview(RunFiles.of(run))
    assert found.out == {"sample": 5, "judge-x": 1, "filter": 2, "own": 2}
    assert (found.came, found.ids) == (1, ("aa1",))
    assert [(one.step, one.reason, one.count, one.ids) for one in found.left] == [
        ("filter", "bad", 2, ("aa2", 'q"\\')),
        ("own", "timeout", 1, ("b",)),
    ]
