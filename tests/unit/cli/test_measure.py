"""What `promptcot measure` prints of one set and of two, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.cli import main

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, rows: Iterable[Row]) -> str:
    Path(path).write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


WORDS = ("prime", "cube", "square", "triangle", "circle", "divisor", "digit", "root")


def problem(number: int, **more: Row | str | float) -> Row:
    first, second = WORDS[number % 8], WORDS[(number // 8 + 3) % 8]
    text = f"How many times does a {first} go into a {second}, counted from the {second} of the {first}?"
    concepts = [first, second]
    rated = {"answer": "4", "pass_rate": number % 5 / 4, "n": 4, "agreement": 1.0, "validity": "valid"}
    return {"id": f"p{number}", "problem": text, "level": "AIME", "foundational_concepts": concepts, **rated, **more}


def printed(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> str:
    assert main(["measure", *line]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def test_one_set_is_told_in_few_lines_of_bounded_width(capsys: pytest.CaptureFixture[str]) -> None:
    told = printed(capsys, write("set.jsonl", map(problem, range(20)))).splitlines()
    assert told[0] == "20 problems; 20 with an answer (100 %); by level: AIME 20"
    assert "validity by agreement   1  >=0.75  >=0.5  <0.5  none   n" in told
    assert (
        "all traces  20      4        0        4        0        0        4        0        4        0      4" in told
    )
    assert any(line.startswith("concepts: 8, used 38 times; effective number ") for line in told)
    assert "compared: 20 problems, each with 20" in told
    assert len(told) <= 40
    assert max(map(len, told)) <= 110


def test_what_is_not_there_is_named_with_the_way_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    told = " ".join(printed(capsys, write("set.jsonl", [{"problem": "Count to ten."}])).split())
    assert told == (
        "1 problem not measured: distances and Vendi score, which need vectors (--vectors FILE, --semantic MODEL); "
        "concepts: no row has any; pass rates: no row has one"
    )


def test_an_empty_set_has_0_problems_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, write("set.jsonl", [])) == "0 problems\n"
    told = json.loads(printed(capsys, "set.jsonl", "--json"))
    assert {**told, "rows": 0, "levels": {}, "labelled": 0} == told


def test_a_public_data_set_is_read_by_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"question": "How many eggs?", "answer": "She sells 4. #### 4"}, {"question": "Why?", "answer": "#### 1"}]
    write("set.jsonl", rows)
    assert "2 problems; 2 with an answer (100 %)" in printed(capsys, "set.jsonl")
    write("own.jsonl", [{"task": "How many eggs?"}, {"task": "How many eggs?"}])
    told = printed(capsys, "own.jsonl", "--columns", "problem=task").splitlines()
    assert next(line.split()[-1] for line in told if line.startswith("problems  ")) == "2"


def test_the_traces_of_a_problem_are_one_problem(capsys: pytest.CaptureFixture[str]) -> None:
    traces = [problem(number, sample=sample) for number in range(2) for sample in range(3)]
    assert printed(capsys, write("traces.jsonl", traces)).startswith("2 problems; ")


def test_names_from_models_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [problem(n, level="A\x1b[31m", models={"m\x1b[2J": {"pass_rate": 0.5, "n": 2}, "k": {}}) for n in range(3)]
    assert "\x1b" not in printed(capsys, write("set.jsonl", rows))


def test_two_sets_stand_side_by_side_and_what_is_beyond_noise_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    easy = write("easy.jsonl", (problem(n, pass_rate=1.0) for n in range(40)))
    hard = write("hard.jsonl", (problem(n, pass_rate=0.25 + n % 2 / 4) for n in range(30)))
    told = printed(capsys, easy, hard).splitlines()
    assert told[:3] == [
        "A: easy.jsonl, 40 problems",
        "B: hard.jsonl, 30 problems",
        "in both: 30 problems; the intervals assume independent sets, so they are too wide",
    ]
    solved = next(line.split() for line in told if line.startswith("solved by all traces"))
    assert solved[4:11] == ["100.0", "%", "40", "0.0", "%", "30", "-100.0"]
    assert solved[-1] == "yes"
    assert next(line for line in told if line.startswith("level AIME")).endswith("no")
    assert max(map(len, told)) <= 110


def test_two_sets_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, write("a.jsonl", [problem(1)]), write("b.jsonl", [problem(2)]), "--json"))
    assert (told["a"]["rows"], told["b"]["rows"], told["in_both"]) == (1, 1, 0)
    assert {"name", "kind", "a", "b", "n_a", "n_b", "difference", "interval", "clear"} == {*told["differences"][0]}


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("", 2, "RUN_OR_FILE is missing"),
        ("a.jsonl a.jsonl a.jsonl", 2, "3 were given"),
        ("a.jsonl --vectors a.jsonl --vectors a.jsonl", 2, "at most one file for each set"),
        ("a.jsonl --vectors a.jsonl --semantic m", 2, "cannot be combined"),
        ("a.jsonl --vectors a.jsonl", 1, "no vector of any problem"),
        ("a.jsonl --concepts nowhere.jsonl", 1, "nowhere.jsonl: no such file"),
        ("nowhere.jsonl", 1, "nowhere.jsonl: no such file"),
        (".", 1, "give the directory of a run that has ended, or a file"),
        ("a.jsonl --columns problem=nothing", 1, "has no 'nothing'"),
    ],
)
def test_mistakes_are_told(line: str, code: int, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("a.jsonl", [problem(1)])
    assert why in printed(capsys, *line.split(), code=code)


def test_from_python_it_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    rows, others = [problem(n) for n in range(5)], [problem(n) for n in range(3)]
    told = json.loads(printed(capsys, write("a.jsonl", rows), write("b.jsonl", others), "--json"))
    found = promptcot.measure(rows, others)
    assert json.loads(json.dumps(found.measure)) == told["a"]
    assert found.other == told["b"]
    assert found.in_both == 3
    assert json.loads(json.dumps(found.differences)) == told["differences"]
    assert promptcot.measure([]).measure == {"rows": 0, "levels": {}, "labelled": 0}


def test_an_engine_gives_vectors_of_problems() -> None:
    engine = promptcot.ScriptedEngine(lambda _: "")
    found = promptcot.measure([problem(n) for n in range(5)], semantic=engine).measure["vectors"]
    assert found["n"] == 5
    assert 1 <= found["vendi"] <= 5
