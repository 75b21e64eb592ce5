"""A damaged journal on the command line: what is said, what is asked again, and that the output is the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptcot.cli import main
from promptcot.engines.scripted import ScriptedEngine
from promptcot.pipeline import execute
from promptcot.storage.paths import beside

OUT = Path("out.jsonl")


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_solved_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def opened(*_: object) -> list[ScriptedEngine]:
        return [ScriptedEngine(lambda request: f"<think>so</think>\\boxed{{{request.seed}}}", model="m")]

    monkeypatch.setattr(execute, "_open", opened)
    Path("in.jsonl").write_text("".join(json.dumps({"id": f"p{n}", "problem": f"P{n}"}) + "\n" for n in range(5)))
    assert solve() == 0


def solve() -> int:
    return main(["solve", "--data_path", "in.jsonl", "--model_path", "nano", "--output_path", str(OUT)])


@pytest.mark.parametrize("line", range(5))
def test_a_damaged_line_is_told_and_costs_one_call(capsys: pytest.CaptureFixture[str], line: int) -> None:
    whole, calls = OUT.read_bytes(), beside(OUT, "journal") / "calls.jsonl"
    lines = calls.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b"so", b"no")
    calls.write_bytes(b"".join(lines))
    capsys.readouterr()
    assert solve() == 0
    told = capsys.readouterr().out
    assert "4 finished calls reused from the journal, 1 damaged line of the journal skipped, its call is" in told
    assert "solve: 1 call" in told
    assert json.loads(beside(OUT, "summary.json").read_bytes())["stages"]["solve"]["damaged"] == 1
    assert OUT.read_bytes() == whole


def test_a_file_that_is_no_journal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (beside(OUT, "journal") / "calls.jsonl").write_text("hello\n")
    assert solve() == 1
    assert "move the file away to start over" in capsys.readouterr().err
