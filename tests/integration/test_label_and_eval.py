"""From benchmark problems to results, labels and training rows, with the embedded solver and with given traces."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from promptcot import nano
from promptcot.cli import main
from promptcot.core.answers import exact
from promptcot.core.answers.extraction import extract
from promptcot.core.problems import gold_of
from promptcot.storage.rows import read_rows

ROWS, N = 6, 4
EVAL = ["eval", "nano", "--n", str(N), "--limit_rows", str(ROWS), "--output_dir"]
GOLDS = {row["id"]: gold_of(row, "nano") for row in read_rows(nano.benchmark_path())}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    assert main([*EVAL, str(folder)]) == 0
    return folder


def results(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_bytes())


def test_eval_leaves_traces_results_and_plots(evaluated: Path) -> None:
    traces = list(read_rows(evaluated / "nano.jsonl"))
    assert [row["sample"] for row in traces] == [*range(N)] * ROWS
    found = results(evaluated)["benchmarks"]["nano"]
    assert (found["problems"], found["samples"], len(found["runs"]["accuracies"])) == (ROWS, ROWS * N, N)
    right = [exact.same(GOLDS[row["id"]], extract(row["completion"]).answer or "") for row in traces]
    assert found["accuracy"]["mean"] == pytest.approx(sum(one is True for one in right) / (ROWS * N))
    assert found["published"] is None
    assert sum(level["problems"] for level in found["levels"].values()) == ROWS
    if importlib.util.find_spec("matplotlib"):
        assert {"accuracy.png", "tokens.svg", "nano.levels.png"} <= {path.name for path in evaluated.iterdir()}


def test_eval_again_asks_nothing_and_finds_the_same(evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = results(evaluated)
    assert main([*EVAL, str(evaluated)]) == 0
    said = capsys.readouterr().out
    assert f"0 calls, 0 tokens written, {ROWS * N} finished calls reused" in said
    assert "published" in said
    assert results(evaluated) == before


def test_grade_says_the_same_as_eval(evaluated: Path) -> None:
    assert main(["grade", "--output_path", str(evaluated / "nano.jsonl")]) == 0
    graded = json.loads((evaluated / "nano.grades.json").read_bytes())["sources"]["nano"]
    of_eval = results(evaluated)["benchmarks"]["nano"]
    assert {name: of_eval[name] for name in graded} == graded


def test_a_dry_run_shows_the_prompt_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('{"source": "own", "problem": "Find 1+1.", "answer": "2"}\n')
    target = tmp_path / "out"
    told = ["eval", "promptcot-qwq-32b", "--dry-run", "--benchmarks", str(file), "--output-dir", str(target)]
    assert main([*told, "--set", "n=3"]) == 0
    said = capsys.readouterr().out
    assert "own: 1 problem × 3 = 3 traces" in said
    assert "| <|im_start|>user" in said
    assert "at most 16,384 tokens" in said
    assert not target.exists()


def test_a_gold_that_cannot_be_graded_stops_before_any_model_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('{"source": "own", "problem": "a", "answer": "2"}\n{"source": "own", "problem": "b"}\n')
    assert main(["eval", "nano", "--benchmarks", str(file), "--output-dir", str(tmp_path / "out")]) == 1
    assert "row 2: no gold" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def label(source: Path, folder: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    kinds = ("labels", "sft", "pairs", "rl")
    paths = {kind: folder / f"{kind}.jsonl" for kind in kinds}
    told = ["label", "--data_path", str(source), "--output_path", str(paths["labels"]), "--prompts", "nano"]
    others = [word for kind in kinds[1:] for word in (f"--{kind}_path", str(paths[kind]))]
    assert main([*told, *others, *options]) == 0
    dropped = {f"{kind} dropped": folder / f"{kind}.dropped.jsonl" for kind in kinds}
    return {
        kind: list(read_rows(path, may_be_empty=True)) if path.exists() else []
        for kind, path in (paths | dropped).items()
    }


def test_training_rows_of_solved_problems_agree_with_the_gold(evaluated: Path, tmp_path: Path) -> None:
    found = label(evaluated / "nano.jsonl", tmp_path)
    assert len(found["labels"]) + len(found["labels dropped"]) == ROWS
    assert len(found["sft"]) + len(found["sft dropped"]) == ROWS * N
    solved = {row["id"] for row in found["labels"] if exact.same(GOLDS[row["id"]], row["label"])}
    assert len(solved) >= ROWS // 2  # what follows says something
    for row in found["sft"]:
        if row["id"] in solved:
            assert exact.same(GOLDS[row["id"]], extract(row["completion"]).answer or "")
            assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
            assert row["messages"][0]["content"] == row["prompt"]
    assert {row["id"]: row["answer"] for row in found["rl"]} == {row["id"]: row["label"] for row in found["labels"]}


def written(path: Path, answers: dict[str, list[str | None]], **more: Any) -> Path:
    """Traces of made-up problems, interleaved: sample 0 of each problem first."""
    longest = max(map(len, answers.values()))
    rows = [
        {"id": name, "problem": f"Find {name}.", "sample": sample, "completion_tokens": 10 * (sample + 1)}
        | {"completion": "no idea" if given[sample] is None else f"Trace {sample}: \\boxed{{{given[sample]}}}", **more}
        for sample in range(longest)
        for name, given in answers.items()
        if sample < len(given)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


MADE_UP: dict[str, list[str | None]] = {
    "agreed": ["1/2", "0.5", "3", None],
    "tied": ["1", "2", "2", "1"],
    "silent": [None, None],
    "easy": ["4", "4", "4", "4"],
}


def test_labels_drops_pairs_and_training_rows_of_made_up_traces(tmp_path: Path) -> None:
    found = label(written(tmp_path / "traces.jsonl", MADE_UP), tmp_path)
    assert [row["id"] for row in found["labels"]] == ["agreed", "easy"]
    agreed = found["labels"][0]
    assert agreed == {"id": "agreed", "problem": "Find agreed.", "label": "1/2", "n": 4, "answered": 3} | {
        "agreement": pytest.approx(2 / 3),
        "margin": pytest.approx(1 / 3),
        "pass_rate": 0.5,
        "mean_tokens": 25.0,
        "model": None,
        "refused": 0,
        "refusals": {},
    }
    reasons = {row["id"]: row["reason"] for row in found["labels dropped"]}
    assert reasons == {"tied": "unlabelled: tie", "silent": "unlabelled: no answer"}
    assert [(row["id"], row["sample"]) for row in found["sft"]] == [
        *(("agreed", 0), ("easy", 0), ("agreed", 1), ("easy", 1), ("easy", 2), ("easy", 3))
    ]
    [pair] = found["pairs"]
    assert pair["id"] == "agreed"
    assert pair["prompt"].startswith("Find agreed.")
    assert extract(pair["chosen"]).answer in ("1/2", "0.5")
    assert extract(pair["rejected"]).answer == "3"
    assert [row["answer"] for row in found["rl"]] == ["1/2", "4"]


def test_the_band_of_difficulty_comes_from_the_same_traces(tmp_path: Path) -> None:
    found = label(written(tmp_path / "traces.jsonl", MADE_UP), tmp_path, "--max-pass-rate", "0.9")
    assert [row["id"] for row in found["labels"]] == ["agreed"]
    assert {row["id"] for row in found["sft"]} == {"agreed"}
    strict = label(written(tmp_path / "traces.jsonl", MADE_UP), tmp_path, "--min-agreement", "0.7")
    assert [row["id"] for row in strict["labels"]] == ["easy"]
    assert {row["reason"] for row in strict["labels dropped"] if row["id"] == "agreed"} == {"agreement too low"}


def test_traces_that_were_cut_off_or_are_malformed_vote_but_are_not_learned_from(tmp_path: Path) -> None:
    for more, reason in (({"truncated": True}, "truncated"), ({"malformed": "thinking closed twice"}, "malformed")):
        found = label(written(tmp_path / "traces.jsonl", MADE_UP, **more), tmp_path)
        assert [row["id"] for row in found["labels"]] == ["agreed", "easy"]
        assert (found["sft"], found["pairs"]) == ([], [])
        assert reason in {row["reason"] for row in found["sft dropped"]}


def test_the_choice_of_pairs_depends_on_the_seed_alone(tmp_path: Path) -> None:
    source = written(tmp_path / "traces.jsonl", {f"p{number}": ["1", "1", "1", "2", "3"] for number in range(8)})
    first = label(source, tmp_path)["pairs"]
    assert len(first) == 8
    assert label(source, tmp_path)["pairs"] == first
    assert label(source, tmp_path, "--seed", "1")["pairs"] != first


def test_thinking_that_the_style_opens_is_opened_in_the_chat_as_well(tmp_path: Path) -> None:
    rows = written(tmp_path / "traces.jsonl", {"a": ["1", "1"]})
    target = tmp_path / "labels.jsonl"
    told = ["label", "--data_path", str(rows), "--output_path", str(target), "--sft_path", str(tmp_path / "sft.jsonl")]
    assert main([*told, "--style", "qwq"]) == 0
    row = next(read_rows(tmp_path / "sft.jsonl"))
    assert row["prompt"].rstrip().endswith("<think>")
    assert not row["completion"].startswith("<think>")
    assert row["messages"][1]["content"] == "<think>\n" + row["completion"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--min-pass-rate", "0.8", "--max-pass-rate", "0.2"], 2, "above --max-pass-rate"),
        (["--sft_path", "labels.jsonl"], 2, "same name"),
        (["--rl_path", "traces.jsonl"], 2, "would be replaced"),
        (["--prompts", "nowhere"], 1, "nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "traces.jsonl", MADE_UP)
    assert main(["label", "--data_path", "traces.jsonl", "--output_path", "labels.jsonl", *options]) == code
    assert message in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"traces.jsonl"}
