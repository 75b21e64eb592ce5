"""Files as users have them, through every command that reads such rows: known layouts, and `--columns` for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.records import Request
from promptcot.storage.rows import read_rows
from tests.unit.cli.annotating import annotate, play
from tests.unit.training.materials import CHATML

QUESTIONS = [{"question": f"{n} + 1?", "final_answer": f"{n + 1}", "topic": "sums"} for n in range(3)]
TRACED = [{**row, "r1_solution_1": rf"\boxed{{{row['final_answer']}}}", "r1_solution_2": "?"} for row in QUESTIONS]
STRANGE = [{"task": row["question"], "gold": {"value": row["final_answer"]}, "out": r"\boxed{1}"} for row in QUESTIONS]
COLUMNS = "problem=task,answer=gold.value,completion=out"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    play(monkeypatch, {"m": lambda request: answer(request)})
    for name, rows in (("known", TRACED), ("strange", STRANGE), ("broken", [*TRACED, {"query": "?"}])):
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("t.jinja").write_text(CHATML)


def answer(request: Request) -> str:
    return str(annotate(request)) if "concepts" in request.prompt else r"So \boxed{1}."


def made(path: str) -> list[dict[str, Any]]:
    return list(read_rows(path))


LINE = "rows look like DeepMath: problem = question, answer = final_answer"
TRACES = f"{LINE}, completion = r1_solution_1 and r1_solution_2"
VERBS: list[tuple[str, str, str]] = [
    ("solve", "--model_path m --prompts math --output_path out.jsonl", LINE),
    ("extract", "--model_path m --prompts math --output_path out.jsonl", LINE),
    ("label", "--output_path out.jsonl", TRACES),
]


@pytest.mark.parametrize(("verb", "options", "line"), VERBS, ids=[one[0] for one in VERBS])
def test_a_known_layout_is_told_in_one_line_and_read(
    verb: str, options: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--data_path", "known.jsonl", *options.split()]) == 0
    said = capsys.readouterr().out
    assert said.count("rows look like") == 1
    assert line in said
    rows = made("out.jsonl")
    assert [row["problem"] for row in rows] == [row["question"] for row in TRACED]
    assert all(row["topic"] == "sums" for row in rows)
    assert "columns" not in json.loads(Path("out.recipe.json").read_bytes())["recipe"]


@pytest.mark.parametrize(("verb", "options"), [one[:2] for one in VERBS], ids=[one[0] for one in VERBS])
def test_columns_name_those_of_others(verb: str, options: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--data_path", "strange.jsonl", "--columns", COLUMNS, *options.split()]) == 0
    told = "rows are read as --columns says: problem = task, answer = gold.value, completion = out"
    assert told in capsys.readouterr().out
    assert [row["problem"] for row in made("out.jsonl")] == [row["task"] for row in STRANGE]
    named = json.loads(Path("out.recipe.json").read_bytes())["recipe"]["columns"]
    assert named == {"problem": "task", "answer": "gold.value", "completion": "out"}


@pytest.mark.parametrize(("file", "columns", "right"), [("known", None, 3), ("strange", f"{COLUMNS},source=task", 1)])
def test_grade_reads_them_too(file: str, columns: str | None, right: int, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--columns", columns] if columns else []
    assert main(["grade", "--output_path", f"{file}.jsonl", "--details", "d.jsonl", *more]) == 0
    assert capsys.readouterr().out.startswith("rows ")
    assert sum(bool(row["correct"]) for row in made("d.jsonl")) == right


def test_what_solve_wrote_of_a_known_layout_is_graded() -> None:
    asked = ["--model_path", "m", "--prompts", "math"]
    assert main(["solve", "--data_path", "known.jsonl", "--output_path", "out.jsonl", *asked]) == 0
    assert main(["grade", "--output_path", "out.jsonl", "--details", "d.jsonl"]) == 0
    assert [(row["source"], row["correct"]) for row in made("d.jsonl")] == [
        ("DeepMath", row["final_answer"] == "1") for row in TRACED
    ]


def test_sample_takes_the_column_of_the_concepts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"tags": ["a", "b"]}, {"tags": ["a", "c"]}]
    Path("tags.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["sample", "--data_path", "tags.jsonl", "--size", "2", "--data_size", "2", "--output_path", "out.jsonl"]
    assert main(command) == 1
    assert "`concepts` is missing or is not a list of texts; it has `tags`" in capsys.readouterr().err
    assert main([*command, "--columns", "concepts=tags"]) == 0
    assert len(made("out.jsonl")) == 2


def test_a_dry_run_of_a_training_counts_what_would_be_learnt(capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", "nano-student", "--dry-run", "--set", "model.chat_template=t.jinja"]
    assert main([*train, "--data_path", "broken.jsonl"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "broken.jsonl: rows look like DeepMath: problem = question, completion = r1_solution_1 and r1_sol" in said
    assert "6 rows (counted in broken.jsonl)" in said
    assert "left out, as in training: 1 × no prompt, completion or messages: it has `query`" in said
    assert main([*train, "--data_path", "strange.jsonl", "--columns", COLUMNS]) == 0
    assert "3 rows (counted in strange.jsonl)" in capsys.readouterr().out


MISTAKES: list[tuple[str, int, str]] = [
    ("solve --data_path strange.jsonl --output_path out.jsonl", 1, "it has `task`, `gold`, `out`"),
    ("solve --data_path strange.jsonl --output_path out.jsonl --columns problem=x", 1, "the first row has no 'x'"),
    ("grade --output_path strange.jsonl --columns problm=task", 2, "did you mean problem?"),
    ("train nano-student --dry-run --set data.columns.problm=x", 1, "did you mean problem?"),
]


@pytest.mark.parametrize(("command", "code", "words"), MISTAKES)
def test_a_row_that_fits_none_names_its_fields(
    command: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == code
    assert words in capsys.readouterr().err
