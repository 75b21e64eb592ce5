"""What `promptcot select` says and ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main


@pytest.fixture(autouse=True)
def _labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("labels.jsonl", [row(number) for number in range(40)])


def row(number: int, **more: Any) -> dict[str, Any]:
    rate = number % 5 / 4
    level = "AIME" if number % 3 else "AMC\x1b[31m12"
    named = {
        "id": f"p{number}",
        "problem": f"Find {number}.",
        "level": level,
        "foundational_concepts": [f"c{number % 7}"],
    }
    return {**named, "label": "4", "agreement": 1.0, "n": 4, "pass_rate": rate, "model": "x", **more}


def write(path: str, rows: list[dict[str, Any]]) -> None:
    Path(path).write_text("".join(json.dumps(one) + "\n" for one in rows))


def run(line: str) -> int:
    return main(line.split())


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_what_was_asked_and_got_is_printed_and_in_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    line = "select --data-path labels.jsonl --output-path set.jsonl --pass-rate 0.2:0.8 --size 12 --order easy-first"
    assert run(f"{line} --difficulty 0-0.5=0.5,0.5-1=0.5 --balance level --balance concepts") == 0
    said = capsys.readouterr().out
    assert "pass rates of 40 problems with an agreed answer (x: 40 rows)" in said
    assert "means a true rate between 0.15 and 0.85" in said
    assert "concepts: 7 of 7" in said
    assert "\x1b" not in said, "a level is no command to a terminal"
    words = [one.split() for one in said.splitlines()]
    assert ["0-0.5", "50%", "50%", "6", "8"] in words
    assert ["AIME", "50%", "50%", "6", "16"] in words
    assert "select: 40 in = 12 out + 28 dropped" in said
    told = json.loads(Path("set.summary.json").read_text())
    assert told["select"]["size"] == {"asked": 12, "got": 12}
    assert [one["pass_rate"] for one in rows("set.jsonl")] == sorted(
        (one["pass_rate"] for one in rows("set.jsonl")), reverse=True
    )
    assert len(rows("set.dropped.jsonl")) == 28


def test_a_band_that_nobody_meets_ends_with_1_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("select --data-path labels.jsonl --output-path set.jsonl --pass-rate 0.55:0.7") == 1
    said = capsys.readouterr().out
    assert "no pass rate is in the band 0.55:0.7; the nearest band that keeps problems is 0.5:0.7, with 8" in said
    assert "remedy: widen the band (--pass-rate" in said
    assert run("select --data-path labels.jsonl --output-path set.jsonl --pass-rate 0.5:0.7") == 0


def test_rows_without_pass_rates_end_with_1_and_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    write("bare.jsonl", [{"id": "a", "problem": "Find it."}])
    assert run("select --data-path bare.jsonl --output-path set.jsonl") == 1
    assert "remedy: give rows from `label`" in capsys.readouterr().out


def test_a_size_that_cannot_be_reached_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("select --data-path labels.jsonl --output-path set.jsonl --size 50") == 0
    assert "40 of 50 requested problems: no more can be kept" in capsys.readouterr().out


@pytest.mark.parametrize(("size", "told"), [("", True), ("--size 50", True), ("--size 10", False)])
def test_a_balance_of_concepts_that_changes_nothing_is_told(
    size: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"select --data-path labels.jsonl --output-path set.jsonl --balance concepts {size}") == 0
    assert ("balancing concepts has no effect here" in capsys.readouterr().out) is told


def test_shares_without_a_size_name_what_is_scarce(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--difficulty 0-0.25=0.9,0.25-1=0.1"
    assert run(f"select --data-path labels.jsonl --output-path set.jsonl {asked}") == 0
    assert "all problems of 0-0.25 are taken; set --size to allow other shares" in capsys.readouterr().out


def test_columns_of_other_programs_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    write("rated.jsonl", [{"task": f"Find {n}.", "gold": str(n), "solve_rate": n / 10} for n in range(11)])
    line = "select --data-path rated.jsonl --output-path set.jsonl --pass-rate 0.3:0.5"
    assert run(f"{line} --columns problem=task,answer=gold,pass_rate=solve_rate") == 0
    assert [one["answer"] for one in rows("set.jsonl")] == ["3", "4", "5"]
    assert "pass_rate = solve_rate" in capsys.readouterr().out


MISTAKES = [
    ("--pass-rate 0.8:0.2", 2, "starts above its end"),
    ("--difficulty 0-2=1", 2, "2 is not between 0 and 1"),
    ("--levels AIME=1 --balance level", 2, "give only one of them"),
    ("--balance hardness", 2, "'hardness' is not one of"),
    ("--size 0", 2, "--size"),
    ("--data-path labels.jsonl", 2, "would count twice"),
    ("--data-path missing.jsonl", 1, "no such file"),
    ("--model y", 1, "models in the rows: x"),
    ("--verifier nothing", 2, "is not a verifier"),
]


@pytest.mark.parametrize(("options", "code", "words"), MISTAKES)
def test_a_mistake_is_named_and_nothing_is_written(
    options: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"select --data-path labels.jsonl --output-path set.jsonl {options}") == code
    assert words in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["labels.jsonl"]


def test_the_function_gives_what_the_command_gives() -> None:
    again = [row(number, n=8, pass_rate=0.5) for number in range(20)]
    write("again.jsonl", again)
    line = "select --data-path labels.jsonl --data-path again.jsonl --output-path set.jsonl --order mixed --seed 5"
    assert run(f"{line} --size 9 --levels AIME=1 --min-n 8") == 0
    asked: dict[str, Any] = {"order": "mixed", "seed": 5, "size": 9, "levels": {"AIME": 1}, "min_n": 8}
    found = promptcot.select("labels.jsonl", again, **asked)
    assert list(found.rows) == rows("set.jsonl")
    assert list(found.dropped) == rows("set.dropped.jsonl")
    assert json.loads(json.dumps(found.selection)) == json.loads(Path("set.summary.json").read_text())["select"]
    assert found.counts.rows_in == 60
