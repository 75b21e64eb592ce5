"""A verifier from outside the package, by import path, in `grade`, `label` and `eval`, as commands and in Python.

The module is written into a folder, as a user would; nothing of the package changes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot import domains
from promptcot.cli import main
from promptcot.storage.rows import read_rows

MODULE = Path(__file__).with_name("own_verifiers.py")
ORDER, FRAGILE, UNEVEN = "mine:Order", "mine:Fragile", "mine:Uneven"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MODULE.read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)
    return file


def trace(problem: str, said: str, **more: Any) -> dict[str, Any]:
    row = {"id": problem, "source": "puzzles", "problem": f"Who? {problem}", "answer": "Ann, Bob", **more}
    return {**row, "completion": f"<think>Truthful: Eve</think>So\nTruthful: {said}", "finish_reason": "stop"}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ROWS = [trace("p", said) for said in ("Bob, Ann", "Ann Bob", "Eve", "Ann,Bob")]
GRADED = [(True, "own"), (True, "own"), (False, "own"), (True, "own")]


def test_grade_by_a_verifier_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.jsonl", [*ROWS, {**ROWS[0], "completion": "So?"}])
    graded = promptcot.grade(path, verifier=ORDER)
    assert [(row["correct"], row["method"]) for row in graded.rows] == [*GRADED, (False, "no answer")]
    assert main(["grade", "--output_path", str(path), "--verifier", ORDER, "--details", "details.jsonl"]) == 0
    assert list(read_rows(Path("details.jsonl"))) == list(graded.rows)
    assert "60.0" in capsys.readouterr().out


def test_label_by_a_verifier_of_ones_own(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", ROWS)
    labelled = promptcot.label(path, verifier=ORDER)
    assert [(row["label"].strip(), row["agreement"]) for row in labelled.rows] == [("Bob, Ann", 0.75)]
    assert [row["answer"].strip() for row in labelled.rl] == ["Bob, Ann"]
    told = ["--data_path", str(path), "--output_path", "labels.jsonl", "--rl-path", "rl.jsonl", "--verifier", ORDER]
    assert main(["label", *told]) == 0
    assert list(read_rows(Path("labels.jsonl"))) == list(labelled.rows)
    assert json.loads(Path("labels.recipe.json").read_bytes())["recipe"]["verifier"] == ORDER


def test_classes_do_not_depend_on_which_reply_was_read_first(tmp_path: Path) -> None:
    rows = [trace("p", said) for said in ("Bob, Ann", "Ann Bob", "Ann,Bob", "Bob  Ann", "Ann  ,Bob", "Eve")]
    labelled = promptcot.label(written(tmp_path / "a.jsonl", rows), verifier=UNEVEN, workers=4)
    assert labelled.rows[0]["label"] == " Bob, Ann"


def solved(request: promptcot.Request) -> str:
    return "Truthful: Bob, Ann" if request.sample % 2 else "Truthful: Eve"


def open_solver(spec: Any, role: str, site: Any) -> promptcot.ScriptedEngine:
    return promptcot.ScriptedEngine(solved, model="solver")


def test_eval_by_a_verifier_of_ones_own(tmp_path: Path) -> None:
    path = written(tmp_path / "puzzles.jsonl", [{"problem": f"Who? {n}", "answer": "Ann, Bob"} for n in range(3)])
    recipe = {"benchmarks": [str(path)], "n": 4, "verifier": ORDER, "model": {"engine": f"{__name__}:open_solver"}}
    found = promptcot.evaluate(recipe, output_dir=tmp_path / "out")
    assert found.benchmarks["puzzles"].summary.accuracy.mean == 0.5
    told = ["--benchmarks", str(path), "--n", "4", "--verifier", ORDER, "--output_dir", "again"]
    assert main(["eval", "endpoint", *told, "--engine", f"{__name__}:open_solver"]) == 0
    results = json.loads(Path("again/results.json").read_bytes())
    assert results["benchmarks"]["puzzles"]["accuracy"]["mean"] == 0.5
    assert results["recipe"]["verifier"] == ORDER


def test_eval_leaves_out_and_counts_problems_whose_gold_is_refused_and_strict_stops(tmp_path: Path) -> None:
    rows = [{"problem": "Who?", "answer": "\\frac{"}, {"problem": "How many?", "answer": "7"}]
    path = written(tmp_path / "mixed.jsonl", rows)
    recipe = {"benchmarks": [str(path)], "n": 1, "model": {"engine": f"{__name__}:open_solver"}}
    found = promptcot.evaluate(recipe, output_dir=tmp_path / "out")
    assert (found.refused, found.benchmarks["mixed"].asked) == (1, 1)
    with pytest.raises(promptcot.RefusedGold, match="row 1 "):
        promptcot.evaluate(recipe, output_dir=tmp_path / "strict", strict=True)
    told = ["eval", "endpoint", "--benchmarks", str(path), "--n", "1", "--engine", f"{__name__}:open_solver"]
    assert main([*told, "--output_dir", str(tmp_path / "told")]) == 3
    assert main([*told, "--output_dir", str(tmp_path / "stopped"), "--strict"]) == 1


def test_what_was_asked_for_judges_a_benchmark_of_another_verifier(tmp_path: Path) -> None:
    row = {"id": "g", "source": "gsm8k", "problem": "Who?", "completion": "\\boxed{seven}"}
    path = written(tmp_path / "a.jsonl", [{**row, "answer": "Seven"}])
    by_integers = promptcot.grade(path)
    assert (by_integers.unfit, len(by_integers.rows)) == (1, 0)
    with pytest.raises(promptcot.RefusedGold, match="row 1: the gold 'Seven' is not a whole number"):
        promptcot.grade(path, strict=True)
    assert promptcot.grade(path, verifier="exact").accuracy() == 1


def test_a_verifier_that_fails_over_answers_costs_these_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [trace("p", said) for said in ("Ann Bob", "raises", "dies", "unreadable", "Bob, Ann")]
    path = written(tmp_path / "a.jsonl", rows)
    told = ["--output_path", str(path), "--verifier", FRAGILE, "--details", "details.jsonl"]
    assert main(["grade", *told]) == 0
    assert [row["correct"] for row in read_rows(Path("details.jsonl"))] == [True, None, None, None, True]
    said = capsys.readouterr().out
    assert (
        "note: mine:Fragile failed in 3 calls; the answers of these calls count as neither right nor wrong; first over"
        in said
    )
    assert main(["label", "--data_path", str(path), "--output_path", "l.jsonl", "--verifier", FRAGILE]) == 0
    assert "label: mine:Fragile failed in 1 call" in capsys.readouterr().out
    assert next(read_rows(Path("l.jsonl")))["label"] == " Ann Bob"


def test_grades_that_are_kept_go_with_the_verifier_and_its_file(tmp_path: Path, module: Path) -> None:
    path = written(tmp_path / "a.jsonl", ROWS)
    assert promptcot.grade(path, verifier=ORDER).accuracy() == 0.75
    assert promptcot.grade(path, verifier="exact").accuracy() == 0
    assert len(list((tmp_path / "a.grades").glob("*.jsonl"))) == 2
    module.write_text(module.read_text().replace("return self.same(gold, answer)", "return True"))
    assert promptcot.grade(path, verifier=ORDER).accuracy() == 1


@pytest.mark.parametrize("verb", ["grade", "label", "eval"])
@pytest.mark.parametrize("name", ["exakt", "mine:Half", "mine:absent", "absent:Order"])
def test_a_verifier_that_is_none_is_told_before_anything_is_done(
    tmp_path: Path, verb: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(written(tmp_path / "a.jsonl", ROWS))
    told = {"grade": ["--output_path", path], "label": ["--data_path", path, "--output_path", "l.jsonl"], "eval": []}
    assert main([verb, *told[verb], "--verifier", name]) == 2
    said = capsys.readouterr().err
    assert name.partition(":")[2] in said
    assert "Traceback" not in said
    assert not Path("l.jsonl").exists()


def test_a_recipe_names_a_verifier_that_there_is() -> None:
    with pytest.raises(promptcot.RecipeError, match=r"verifier: .*'exakt' is not a verifier: use one of 'mathematics'"):
        promptcot.evaluate({"benchmarks": ["nano"], "verifier": "exakt"})


@pytest.mark.parametrize("name", ["exakt", "mine:absent"])
@pytest.mark.parametrize("told", [["--dry-run"], []])
def test_a_domain_whose_verifier_is_none_is_told_before_a_run_asks_anybody(
    tmp_path: Path, name: str, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(domains.folder_of("math"), folder)
    settings = (folder / "domain.toml").read_text()
    (folder / "domain.toml").write_text(settings.replace('verifier = "mathematics"', f'verifier = "{name}"'))
    assert main(["run", "nano", "--set", f"prompts={folder}", "--output-dir", str(tmp_path / "run"), *told]) == 1
    said = capsys.readouterr().err
    assert f"prompts {folder}: domain.toml: verifier: '{name}'" in said
    assert not (tmp_path / "run" / "generate.jsonl").exists()
