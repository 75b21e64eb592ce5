"""docs/data.md: its examples of reading a run with other tools work as written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from promptcot.cli import main
from promptcot.storage.rows import read_rows
from tests.integration.walk import fits, walk

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
_SECTION = PAGE.read_text(encoding="utf-8").partition("\n## Reading a run with other tools\n")[2].partition("\n## ")[0]
_BLOCK = re.compile(r"^```(?P<language>python|sh)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
CODES = [found["code"] for found in _BLOCK.finditer(_SECTION) if found["language"] == "python"]
LINES = [
    line for found in _BLOCK.finditer(_SECTION) if found["language"] == "sh" for line in found["code"].splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    assert main(["run", "--max-candidates", "24", "--output-dir", str(made / "out" / "nano")]) == 0
    return made


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)


def test_the_page_has_code_for_each_tool() -> None:
    for tool in ("datasets", "pandas", "duckdb"):
        assert any(f"import {tool}\n" in code for code in CODES), tool
    assert all(line.startswith("jq ") for line in LINES)
    assert LINES


@pytest.mark.parametrize("code", CODES, ids=[code.split()[1] for code in CODES])
def test_its_code_runs(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "docs/data.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("line", LINES)
@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_its_commands_of_jq_print_something(line: str) -> None:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_show_prints_what_the_page_says() -> None:
    [shown] = [ran for ran in walk(PAGE, [sys.executable, "-m", "promptcot"]) if ran.command.startswith("show")]
    assert shown.code == 0
    assert fits(shown.printed, shown.shown), shown.printed


def test_a_run_directory_loads_as_its_set_and_nothing_else(folder: Path) -> None:
    run = folder / "out" / "nano"
    assert {"filter.jsonl", "filter.dropped.jsonl", "README.md"} <= {path.name for path in run.iterdir()}
    rows = datasets.load_dataset(str(run))
    assert [*rows] == ["train"]
    assert rows["train"]["id"] == [row["id"] for row in read_rows(run / "set.jsonl")]


def test_a_run_without_a_set_loads_as_the_rows_of_its_last_step(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "short"
    shutil.copytree(folder / "out" / "nano", run)
    assert main(["run", "--max-candidates", "24", "--until", "filter", "--output-dir", str(run)]) == 0
    rows = datasets.load_dataset(str(run), split="train")
    assert rows["id"] == [row["id"] for row in read_rows(run / "filter.jsonl")]
