"""The whole pipeline with the embedded models, as a user runs it."""

import json
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import datasets
import pandas
import pytest

import promptcot
from promptcot import nano
from promptcot.cli import main
from promptcot.storage.rows import read_rows
from tests.programs import PATIENCE, started, wait_until

SMALL = ["run", "--max-candidates", "12", "--output-dir"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert main([*SMALL, str(folder)]) == 0
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def test_a_run_directory_holds_what_the_design_says(directory: Path) -> None:
    names = {path.name for path in directory.iterdir()}
    assert {"recipe.json", "summary.json", "sample.jsonl", "generate.jsonl", "filter.jsonl"} <= names
    assert {"judge-a.jsonl", "judge-b.jsonl", "report.html"} <= names
    row = next(read_rows(directory / "judge-a.jsonl"))
    assert {"id", "judge", "ratings", "judgement", "rationale_and_problem", "completion", "level"} <= row.keys()
    accepted = list(read_rows(directory / "filter.jsonl"))
    assert all(
        row["completion"] and row["prompt"] and set(row["judgements"].values()) == {"perfect"} for row in accepted
    )
    stages = json.loads((directory / "summary.json").read_bytes())["stages"]
    assert list(stages) == [
        *("encode", "sample", "generate", "judge-a", "judge-b", "filter"),
        *("verify", "dedup", "decontaminate", "solve", "label", "select"),
    ]
    assert stages["encode"]["in"] == stages["encode"]["out"] == 42
    recipe = json.loads((directory / "recipe.json").read_bytes())
    assert recipe["recipe"]["seed"] == 8000
    assert set(recipe["prompts"]) >= {"generate.jinja", "judge.jinja", "criteria.toml"}


def test_a_run_ends_with_a_page_that_shows_its_problems(directory: Path) -> None:
    page = (directory / "report.html").read_text(encoding="utf-8")
    assert all(str(row["id"]) in page for row in islice(read_rows(directory / "set.jsonl"), 3))
    assert "<script" not in page


def test_the_set_is_one_table_of_the_rows_that_came_through(directory: Path, tmp_path: Path) -> None:
    found = list(read_rows(directory / "set.jsonl"))
    selected = {row["id"]: row for row in read_rows(directory / "select.jsonl")}
    assert [row["id"] for row in found] == [*selected]
    assert len({tuple(row) for row in found}) == 1
    assert all(row["answer"] == selected[row["id"]]["label"] for row in found)
    assert all([one["judge"] for one in row["critiques"]] == ["a", "b"] for row in found)
    assert all(row["trace"].endswith(f"\\boxed{{{row['answer']}}}.") for row in found)
    frame = pandas.read_json(directory / "set.jsonl", lines=True)
    assert [*frame.columns] == [*found[0]]
    table = datasets.load_dataset("json", data_files=str(directory / "set.jsonl"), split="train", cache_dir=tmp_path)
    assert table.num_rows == len(found)
    assert table.column_names == [*found[0]]
    assert promptcot.load_run(directory).set[0] == found[0]


def test_what_the_set_is_like_is_in_the_summary_as_measure_finds_it(directory: Path) -> None:
    summary = json.loads((directory / "summary.json").read_bytes())
    found = promptcot.measure(promptcot.load_run(directory)).measure
    assert json.loads(json.dumps(found)) == {
        **summary["measure"],
        "validity_by_agreement": summary["validity_by_agreement"],
    }
    assert found["yield"]["steps"]["label"] == summary["stages"]["label"]["out"]
    assert found["concepts"]["known"] == 42


def test_the_truth_about_the_set_is_told_with_its_answers(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nano", "check", str(directory)]) == 0
    said = capsys.readouterr().out
    assert "in the set" in said
    assert "label right" in said


def test_the_run_itself_shows_what_is_true_at_each_stage(directory: Path) -> None:
    truth = json.loads((directory / "summary.json").read_bytes())["truth"]
    assert list(truth["stages"]) == ["generated", "accepted", "verified", "labelled", "in the set"]
    assert truth["stages"]["generated"]["checked"] >= 10
    assert "What is true of it" in (directory / "report.html").read_text(encoding="utf-8")


def test_a_run_until_filter_has_the_same_files_and_no_set(directory: Path, tmp_path: Path) -> None:
    assert main([*SMALL, str(tmp_path), "--until", "filter"]) == 0
    short, whole = files(tmp_path), files(directory)
    assert {name: whole[name] for name in short} == short
    assert {"generate.jsonl", "filter.jsonl"} <= short.keys()
    assert "set.jsonl" not in short
    with pytest.raises(promptcot.InputError, match="the run has no set"):
        _ = promptcot.load_run(tmp_path).set


def test_most_of_what_is_generated_is_readable_and_some_is_sound(directory: Path) -> None:
    problems = [row["problem"] for row in read_rows(directory / "generate.jsonl")]
    assert len(problems) >= 10
    assert sum(isinstance(nano.check(problem), nano.Solution) for problem in problems) >= 4


def test_the_same_command_again_asks_nothing_and_gives_the_same_files(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(directory)
    assert main([*SMALL, str(directory)]) == 0
    assert files(directory) == before
    said = capsys.readouterr().out
    assert "generate: 0 calls, 0 tokens written, 12 finished calls reused" in said


def test_the_end_of_a_run_tells_the_funnel_the_agreement_problems_files_and_next_steps(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*SMALL, str(directory)])
    said = capsys.readouterr().out
    for word in ("sampled", "generated", "parsed", "judged", "accepted", "kappa", "problem 1", "set.jsonl", "next"):
        assert word in said


def test_a_dry_run_shows_each_first_prompt_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--dry-run", "--target", "5", "--output-dir", str(tmp_path / "x")]) == 0
    said = capsys.readouterr().out
    assert "stops at 5" in said
    assert said.count("its first prompt:") == 5
    assert "| Level: " in said
    assert not (tmp_path / "x").exists()


def test_the_verbs_one_after_the_other_do_the_same_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in (
        "encode --data_path nano --output_path v.safetensors",
        "encode --data_path nano --output_path p.jsonl",
        "sample --data_path nano --embed_path v.safetensors --output_path s.jsonl --data_size 8 --size 2 "
        "--prompts nano --levels AIME",
        "generate --data_path s.jsonl --output_path g.jsonl --max_len 400 --temperature 0.7",
        "judge --data_path g.jsonl --output_path j-a.jsonl --judge a --temperature 0",
        "judge --data_path g.jsonl --output_path j-b.jsonl --model_path nano:judge-b --judge b --temperature 0",
        "filter --template j-*.jsonl --output_path all.jsonl --only_perfect True",
        "nano check all.jsonl",
    ):
        assert main(line.split()) == 0, line
    books = {name: json.loads(Path(f"{name}.summary.json").read_bytes())["stages"] for name in ("s", "g", "j-a", "all")}
    counts = {name: next(iter(stages.values())) for name, stages in books.items()}
    assert counts["s"]["out"] == counts["g"]["in"] == 8
    assert counts["g"]["out"] == counts["j-a"]["out"] == counts["all"]["in"]
    assert counts["all"]["out"] == len(list(read_rows("all.jsonl", may_be_empty=True)))
    for kind in ("recipe.json", "summary.json"):
        assert Path(f"g.{kind}").exists()


def test_a_row_that_cannot_be_asked_fails_alone_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prompt = "Concepts:\n1. remainders\nLevel: AMC12\n"
    rows = [{"id": "good", "prompt": prompt}, {"id": "long", "prompt": prompt * 500}]
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["generate", "--data_path", "in.jsonl", "--output_path", "out.jsonl", "--max_len", "300"]) == 3
    [failed] = read_rows("out.failed.jsonl")
    assert (failed["id"], failed["cause"]) == ("long", "over-long")
    assert main(["generate", "--data_path", "in.jsonl", "--output_path", "out.jsonl", "--max_len", "300"]) == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_exits_with_130_and_says_how_to_go_on(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "promptcot", "run", "--max-candidates", "2000", "--output-dir", str(tmp_path)]
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        journal = tmp_path / "generate.journal" / "calls.jsonl"
        wait_until(lambda: journal.exists() and journal.stat().st_size, process)
        process.send_signal(how)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"run the same command again to go on" in said
    assert list(tmp_path.glob("*.partial")) == []
