"""Rows with odd values, through every command that reads rows: carried, replaced and counted, or that row's failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.records import Completion, Request
from promptcot.storage.rows import read_rows
from tests.unit.cli import annotating

ODD: dict[str, str] = {
    "beyond a double": '"keep": 1e999',
    "NaN": '"keep": NaN',
    "minus infinity": '"keep": [-Infinity, 1]',
    "5,000 digits": f'"keep": {"9" * 5000}',
    "30 digits": '"keep": 0.123456789012345678901234567890',
    "half a surrogate pair": '"keep": "\\ud800"',
    "half a pair as a name": '"\\udc00": 1, "keep": 1',
    "half a pair as the id": '"id": "\\ud800", "keep": 1',
    "a huge id": f'"id": {"9" * 5000}, "keep": 1',
    "an id that is an object": '"id": {"a": 1}, "keep": 1',
    "an id that is true": '"id": true, "keep": 1',
    "a name twice": '"keep": 1, "keep": 2',
    "no name": '"": 1, "keep": 1',
    "a long name": f'"{"n" * 100_000}": 1, "keep": 1',
    "nested 150 deep": f'"keep": {"[" * 150}{"]" * 150}',
    "tokens of 400 digits": f'"keep": 1, "completion_tokens": 1{"0" * 400}',
    "tokens below zero": '"keep": 1, "completion_tokens": -5',
    "tokens that are true": '"keep": 1, "completion_tokens": true',
    "tokens that are text": '"keep": 1, "completion_tokens": "3"',
    "tokens beyond a double": '"keep": 1, "completion_tokens": 1e999',
    "a sample beyond a double": '"keep": 1, "sample": 1e999',
    "a sample that is true": '"keep": 1, "sample": true',
    "a sample of 5,000 digits": f'"keep": 1, "sample": {"7" * 5000}',
    "half a pair in the problem": '"keep": 1, "problem": "Find \\ud800."',
    "a level that is a number": '"keep": 1, "level": 1e999',
    "a source that is a list": '"keep": 1, "source": [1]',
    "an answer that is true": '"keep": 1, "answer": true',
    "messages that are NaN": '"keep": 1, "messages": NaN',
}
GOOD: dict[str, Any] = {
    "problem": "Find 1.",
    "concepts": ["a", "b", "c"],
    "foundational_concepts": ["a", "b"],
    "level": "AIME",
    "prompt": "Write.",
    "completion": "<!-- BEGIN RATIONALE -->r<!-- END RATIONALE -->"
    "<!-- BEGIN PROBLEM -->Find 1.<!-- END PROBLEM --> \\boxed{1}",
    "rationale": "r",
    "source": "mine",
    "answer": "1",
    "judgement": "perfect",
    "judge": "a",
    "sample": 0,
}
MODEL = "--model_path m --prompts math"
VERBS: list[tuple[str, str]] = [
    ("filter", "filter --template in.jsonl --output_path {out}"),
    ("label", "label --data_path in.jsonl --output_path {out} --sft_path sft{suffix} --pairs_path pairs{suffix}"),
    ("sample", "sample --data_path in.jsonl --size 2 --data_size 3 --output_path {out}"),
    ("train-rows", "train-rows --data_path unjudged.jsonl --output_path {out} --concepts_path c{suffix}"),
    ("solve", f"solve --data_path in.jsonl {MODEL} --output_path {{out}}"),
    ("generate", "generate --data_path in.jsonl --model_path m --output_path {out}"),
    ("judge", f"judge --data_path in.jsonl {MODEL} --output_path {{out}}"),
    ("extract", f"extract --data_path in.jsonl {MODEL} --output_path {{out}}"),
    ("explain", f"explain --data_path in.jsonl {MODEL} --output_path {{out}}"),
]


def _answer(request: Request) -> Completion | str:
    """What generators, judges and annotators write, by what they are asked for."""
    if request.prompt.startswith("Write"):
        return annotating.generate(request)
    if "step by step" in request.prompt:
        return "\\boxed{1}"
    return annotating.judge(request) if request.prompt.startswith("You referee") else annotating.annotate(request)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    annotating.play(monkeypatch, {"m": _answer})


def write(name: str, *odd: str, **changes: Any) -> None:
    """Good rows and, between them, one with each of these fields, which are written as they stand."""
    row = {field: value for field, value in {**GOOD, **changes}.items() if value is not None}
    lines = [json.dumps({"id": "first", **row})]
    for number, fields in enumerate(odd):
        lines.append(json.dumps({"id": f"odd-{number}", **row})[:-1] + f", {fields}}}")
        lines.append(json.dumps({"id": f"good-{number}", **row}))
    Path(name).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".parquet"])
@pytest.mark.parametrize("line", [verb[1] for verb in VERBS], ids=[verb[0] for verb in VERBS])
def test_an_odd_value_in_one_row_stops_no_command_and_loses_no_row(line: str, suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    write("in.jsonl", *ODD.values())
    write("unjudged.jsonl", *ODD.values(), judgement=None, judge=None)
    assert main(line.format(out=f"out{suffix}", suffix=suffix).split()) in (0, 3)
    found = list(read_rows(tmp_path / f"out{suffix}"))
    counts = json.loads((tmp_path / "out.summary.json").read_bytes())["stages"]
    [of] = counts.values()
    assert of["rows"] == len(found) > 0
    assert of["in"] == of["out"] + sum(of["dropped"].values()) + sum(of["failed"].values())


@pytest.mark.parametrize("name", ["beyond a double", "5,000 digits", "30 digits", "half a surrogate pair"])
def test_what_a_row_carries_comes_through_and_can_be_read_again(name: str, tmp_path: Path) -> None:
    write("in.jsonl", ODD[name])
    assert main(["filter", "--template", "in.jsonl", "--output_path", "out.jsonl"]) == 0
    before, after = (list(read_rows(tmp_path / file)) for file in ("in.jsonl", "out.jsonl"))
    assert [row.get("keep") for row in after] == [row.get("keep") for row in before]


def test_nan_is_written_as_null_and_counted_with_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("in.jsonl", ODD["NaN"])
    assert main(["filter", "--template", "in.jsonl", "--output_path", "out.jsonl"]) == 0
    assert "filter: replaced in the output: 1 NaN, which JSON does not have, by null" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out.summary.json").read_bytes())["stages"]["filter"]
    assert summary["replaced"] == {"NaN, which JSON does not have, by null": 1}


UNFIT: list[tuple[str, str, dict[str, Any]]] = [
    ("label", "label --data_path in.jsonl --output_path out.jsonl --sft_path sft.jsonl", {"completion": 5}),
    ("filter", "filter --template in.jsonl --output_path out.jsonl", {"prompt": None}),
    ("sample", "sample --data_path in.jsonl --size 2 --data_size 3 --output_path out.jsonl", {"concepts": 7}),
    ("solve", f"solve --data_path in.jsonl {MODEL} --output_path out.jsonl", {"problem": 7, "prompt": 7}),
    ("judge", f"judge --data_path in.jsonl {MODEL} --output_path out.jsonl", {"foundational_concepts": 7}),
]


@pytest.mark.parametrize(("line", "lacks"), [one[1:] for one in UNFIT], ids=[one[0] for one in UNFIT])
def test_a_row_that_does_not_fit_fails_alone_unless_it_is_the_first(line: str, lacks: dict[str, Any]) -> None:
    good, bad = ({"id": name, **GOOD, "concepts": ["a", "b", "c"]} for name in ("good", "bad"))
    bad |= lacks
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (good, bad, {**good, "id": "last"})))
    assert main(line.split()) == 3
    [failed] = read_rows("out.failed.jsonl")
    assert (failed["id"], failed["cause"]) == ("bad", "unfit")
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (bad, good)))
    assert main(line.split()) == 1
