"""A tiny distillation from problems to a student, its control and the final table, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptcot.cli import main
from promptcot.storage.rows import read_rows

pytestmark = pytest.mark.engines

ROWS, RUNS = 12, 2
TRAINING = ["schedule.max_steps=4", "watch.samples=0"]
SMALL = [
    *("--target", "12", "--set", "teacher.n=2", "--set", "label.min_agreement=0.5"),
    *("--set", f"eval.limit_rows={ROWS}", "--set", f"eval.n={RUNS}"),
    *("--set", f"student.set={json.dumps(TRAINING)}"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("distill")
    assert main(["run", "distill-nano", "--output-dir", str(made), *SMALL]) == 0
    return made


def test_the_control_learns_the_same_traces_under_other_problems(folder: Path) -> None:
    right, wrong = (list(read_rows(folder / f"{name}.jsonl")) for name in ("sft", "wrong"))
    assert [row["prompt"] for row in right] == [row["prompt"] for row in wrong]
    assert sorted(row["completion"] for row in right) == sorted(row["completion"] for row in wrong)
    assert all(one["label"] != other["label"] for one, other in zip(right, wrong, strict=True))


def test_both_trainings_are_as_long(folder: Path) -> None:
    steps = [
        max(json.loads(line).get("step", 0) for line in (folder / name / "log.jsonl").read_text().splitlines())
        for name in ("student", "control")
    ]
    assert steps == [4, 4]


def test_the_results_compare_three_students_on_the_same_problems(folder: Path) -> None:
    found = json.loads((folder / "results.json").read_bytes())["benchmarks"]["nano"]
    assert list(found["students"]) == ["before", "after", "control"]
    assert {(one["problems"], one["samples"]) for one in found["students"].values()} == {(ROWS, ROWS * RUNS)}
    for gain in found["gains"].values():
        assert gain["difference"]["n"] == ROWS
        assert gain["difference"]["mean"] == pytest.approx(gain["mean_b"] - gain["mean_a"])
    assert found["students"]["after"]["model"] == str(folder / "student" / "model")


def test_the_results_stand_in_the_card_of_the_student(folder: Path) -> None:
    card = (folder / "student" / "model" / "README.md").read_text()
    assert "| before: nano:base | nano |" in card
    assert "| this model | nano |" in card
    assert "| control, trained on mismatched traces | nano |" in card


def test_another_benchmark_setting_repeats_only_the_evaluations(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = [*SMALL, "--set", "control=false", "--set", "eval.n=1"]
    assert main(["run", "distill-nano", "--output-dir", str(folder), *told]) == 0
    said = capfd.readouterr().out
    again = [line for line in said.splitlines() if line.startswith("$ promptcot")]
    assert [line.split()[2] for line in again] == ["eval", "eval", "chain"]
    assert f"0 calls, 0 tokens written, {ROWS} finished calls reused" in said
