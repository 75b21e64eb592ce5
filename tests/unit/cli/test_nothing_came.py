"""What a command says and ends with when nothing came of its rows, or nothing of use; and when there were none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.cli.report.console import worst
from promptcot.engines.scripted import Script
from promptcot.errors import RequestRefused
from promptcot.records import Completion, Request
from tests.unit.cli import annotating

REFUSAL = "I would rather \x1b[2J not."
CUT = Completion("Let me think about it", "length", 9, 100)
WRITTEN = {"foundational_concepts": ["homothety"], "level": "AIME", "prompt": "Write.", "completion": "Find 1."}
PROBLEMS = [{"id": name, "problem": f"Find {name}.", **WRITTEN} for name in "ab"]

RECIPE = """\
name = "small"
prompts = "math"
[server]
base_url = "http://127.0.0.1:9/v1"
[run]
max_candidates = 6
[concepts]
path = "concepts.jsonl"
[encode]
skip = true
[sample]
size = 2
[generate]
model = "writer"
[[judge]]
name = "a"
model = "judge"
max_tokens = 100
[[judge]]
name = "b"
model = "judge"
max_tokens = 100
"""


def jsonl(path: str, rows: list[dict[str, Any]]) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(line: str) -> int:
    return main(line.split())


@pytest.fixture(autouse=True)
def _materials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl("problems.jsonl", PROBLEMS)
    jsonl("empty.jsonl", [])
    jsonl("concepts.jsonl", [{"concepts": [f"c{n}", f"c{n + 1}", "parity"]} for n in range(9)])
    Path("run.toml").write_text(RECIPE)


def judged(verdict: str, **more: Any) -> Callable[[], None]:
    """Two judged files in which every row has this verdict."""

    def write() -> None:
        for judge in "xy":
            rows = [{"id": row["id"], **WRITTEN, "judge": judge, "judgement": verdict, **more} for row in PROBLEMS]
            jsonl(f"judged-{judge}.jsonl", rows)

    return write


def traces(**more: Any) -> Callable[[], None]:
    return lambda: jsonl("traces.jsonl", [{**row, "sample": n, **more} for row in PROBLEMS for n in (0, 1)])


def nothing() -> None:
    """No further files."""


ONE = "--model_path m --output_path out.jsonl"
STEPS: dict[str, tuple[Callable[[], None], str, Script, int, list[str]]] = {
    "generate, unreadable": (
        nothing,
        f"generate --data_path problems.jsonl {ONE}",
        lambda _: REFUSAL,
        1,
        ["generate: none of 2 replies can be used (no BEGIN RATIONALE: 2)", "I would rather � not.", "remedy: "],
    ),
    "generate, refused": (
        nothing,
        f"generate --data_path problems.jsonl {ONE}",
        lambda _: RequestRefused("the prompt is flagged", "refused"),
        1,
        [
            "generate: 2 of 2 rows failed (refused: 2)",
            "row a: the prompt is flagged",
            "remedy: fix the problem that the message names",
        ],
    ),
    "generate, one row comes through and one fails": (
        nothing,
        f"generate --data_path problems.jsonl {ONE}",
        lambda request: RequestRefused("no", "refused") if request.seed % 2 else annotating.generate(request),
        3,
        ["2 in = 1 out"],
    ),
    "judge, both cut off": (
        nothing,
        f"judge --data_path problems.jsonl --judge x --prompts math --max_len 100 {ONE}",
        lambda _: CUT,
        0,
        ["judge-x: none of 2 replies can be used (cut off: 2)", "Let me think", "max_tokens = 100 is too low"],
    ),
    "solve, all truncated": (
        nothing,
        f"solve --data_path problems.jsonl --n 3 --max_len 100 {ONE}",
        lambda _: CUT,
        0,
        ["solve: none of 6 replies can be used (cut off: 6)", "likely cause: max_tokens = 100", "remedy: raise"],
    ),
    "extract, unreadable however often": (
        nothing,
        f"extract --data_path problems.jsonl {ONE}",
        lambda _: REFUSAL,
        1,
        ["extract: none of 2 replies can be used (no list: 2)"],
    ),
    "filter, all bad": (
        judged("bad"),
        "filter --template judged-*.jsonl --output_path out.jsonl",
        lambda _: "",
        1,
        ["filter: none of 2 rows passed (bad: 2)", "row a (bad): Find 1.", "remedy: look at `ratings`"],
    ),
    "filter, all invalid": (
        judged("invalid", invalid_reason="cut off"),
        "filter --template judged-*.jsonl --output_path out.jsonl",
        lambda _: "",
        1,
        ["none of 2 rows passed (invalid verdict: 2)", "(invalid verdict, cut off): Find 1.", "--max-len"],
    ),
    "label, no answer": (
        traces(completion="Let me think"),
        "label --data_path traces.jsonl --output_path out.jsonl",
        lambda _: "",
        1,
        ["label: none of 2 rows passed (unlabelled: no answer: 2)", "remedy: solve the problems again"],
    ),
    "train-rows, nothing to learn": (
        lambda: jsonl("rows.jsonl", [{"id": "r", "concepts": ["a"], "level": "AIME", "problem": "Find 1."}]),
        "train-rows --data_path rows.jsonl --output_path out.jsonl",
        lambda _: "",
        1,
        ["train-rows: its only row did not pass"],
    ),
}


@pytest.mark.parametrize(("before", "line", "script", "code", "told"), STEPS.values(), ids=[*STEPS])
def test_a_step_of_which_nothing_came_says_why(
    before: Callable[[], None],
    line: str,
    script: Script,
    code: int,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before()
    annotating.play(monkeypatch, {"m": script})
    assert run(line) == code
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    for words in told:
        assert words in printed
    assert Path("out.jsonl").exists()


@pytest.mark.parametrize(
    "line",
    [
        f"generate --data_path empty.jsonl {ONE}",
        f"judge --data_path empty.jsonl --prompts math {ONE}",
        f"solve --data_path empty.jsonl {ONE}",
        f"extract --data_path empty.jsonl {ONE}",
        f"explain --data_path empty.jsonl {ONE}",
        "filter --template empty.jsonl --output_path out.jsonl",
        "label --data_path empty.jsonl --output_path out.jsonl",
        "train-rows --data_path empty.jsonl --output_path out.jsonl",
    ],
    ids=lambda line: line.split()[0],
)
def test_a_step_that_had_no_rows_is_done(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    annotating.play(monkeypatch, {"m": lambda _: ""})
    assert run(line) == 0
    assert Path("out.jsonl").read_text() == ""


def play_run(monkeypatch: pytest.MonkeyPatch, **scripts: Script) -> None:
    annotating.play(monkeypatch, {"writer": annotating.generate, "judge": annotating.judge, **scripts})


RUNS: dict[str, tuple[Mapping[str, Script], int, list[str], list[str]]] = {
    "the judges cannot be read": (
        {"judge": lambda _: CUT},
        1,
        [
            "judge-a: none of 6 replies can be used (cut off: 6)",
            "remedy: raise max_tokens",
            "0 of the target of 3 problems",
        ],
        ["--max-candidates", "with a real model", "judge-b: none", "filter: none"],
    ),
    "the generator cannot be read": (
        {"writer": lambda _: ""},
        1,
        ["generate: none of 6 replies can be used (empty: 6)", "likely cause: it is a chat model"],
        ["--max-candidates", "filter: none"],
    ),
    "the judges call all bad": (
        {"judge": lambda request: annotating.judge(request).replace("perfect", "bad")},
        1,
        [
            "filter: none of 6 rows passed (bad: 6)",
            "0 of the target of 3 problems: all combinations (6) are used",
        ],
        ["--max-candidates", "with a real model"],
    ),
    "some are accepted": ({}, 0, ["3 accepted problems"], ["cannot be used", "with a real model"]),
}


@pytest.mark.parametrize(("scripts", "code", "told", "untold"), RUNS.values(), ids=[*RUNS])
def test_a_run_names_the_step_that_lost_all_and_advises_what_helps(
    scripts: Mapping[str, Script],
    code: int,
    told: list[str],
    untold: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    play_run(monkeypatch, **scripts)
    assert run("run run.toml --output-dir out --target 3") == code
    printed = capsys.readouterr().out
    for words in told:
        assert words in printed
    for words in untold:
        assert words not in printed


@pytest.mark.parametrize(
    ("bound", "told", "untold"),
    [
        (
            6,
            "6 of the target of 900 problems: all combinations (6) are used; run the same command with a larger",
            "no more",
        ),
        (5000, "of the target of 900 problems: no more combinations can be drawn; add concepts", "--max-candidates"),
    ],
)
def test_a_larger_bound_is_advised_only_where_there_are_more_combinations(
    bound: int, told: str, untold: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_run(monkeypatch)
    assert run(f"run run.toml --output-dir out --target 900 --max-candidates {bound}") == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "of the target of" in line]
    assert told in line
    assert untold not in line


def test_a_model_that_is_never_readable_is_stopped_within_forty_calls_and_then_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonl("concepts.jsonl", [{"concepts": [f"c{n}", f"c{n * 7 % 50}", f"d{n % 9}"]} for n in range(50)])
    asked = 0

    def refuse(request: Request) -> str:
        nonlocal asked
        asked += 1
        return REFUSAL

    line = "run run.toml --output-dir out --target 20 --set run.max_candidates=5000"
    play_run(monkeypatch, writer=refuse)
    assert run(line) == 1
    assert 20 <= asked <= 40
    error = capsys.readouterr().err
    assert "promptcot: generate: stopped because none of the first 20 replies can be used" in error
    assert "--max-candidates" not in error
    before = asked
    assert run(line) == 1
    assert asked == before
    assert "nothing has changed since the stage was stopped, so no call was made" in capsys.readouterr().err


def test_an_example_without_an_id_is_not_called_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    jsonl("traces.jsonl", [{"problem": "P", "completion": f"\\boxed{{{answer}}}"} for answer in "12"])
    assert run("label --data_path traces.jsonl --output_path out.jsonl") == 1
    assert "for example a row (unlabelled: tie): P" in capsys.readouterr().out


@pytest.mark.parametrize(("codes", "code"), [([0, 3], 3), ([3, 1, 0], 1), ([0, 0], 0), ([], 0)])
def test_of_several_outputs_one_of_which_nothing_came_counts_most(codes: list[int], code: int) -> None:
    assert worst(codes) == code


def test_a_model_may_be_measured_though_nothing_comes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    annotating.play(monkeypatch, {"m": lambda _: REFUSAL})
    jsonl("p.jsonl", [{"id": str(number), "prompt": "Write."} for number in range(60)])
    command = "generate --data_path p.jsonl --output_path out.jsonl --base-url http://127.0.0.1:9/v1 --model_path m"
    assert run(command) == 1
    assert not Path("out.jsonl").exists()
    assert run(f"{command} --keep-going") == 0
    assert Path("out.jsonl").read_bytes() == b""
    assert len(Path("out.dropped.jsonl").read_text().splitlines()) == 60
