"""The examples of the documentation run: those of docs/api.md in order, the README's notebook, two walkthroughs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from promptcot.storage.rows import read_rows
from tests.integration.walk import fits, walk

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(?P<language>python|toml)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# file: (?P<name>\S+)\n")


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and code of each example."""
    return [(found["language"], found["code"]) for found in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def test_every_example_of_the_api_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {"__name__": "__main__"}
    found = blocks("docs/api.md")
    assert len(found) > 10
    for number, (language, code) in enumerate(found, 1):
        if file := _FILE.match(code):
            (tmp_path / file["name"]).write_text(code, encoding="utf-8")
        else:
            assert language == "python", f"example {number} names no file"
            exec(compile(code, f"docs/api.md, example {number}", "exec"), names)


def test_the_readme_has_a_notebook_of_at_most_eight_lines_and_it_runs(tmp_path: Path) -> None:
    """In a real kernel: import, run, a DataFrame of accepted problems."""
    [code] = [code for language, code in blocks("README.md") if language == "python"]
    assert len(code.strip().splitlines()) <= 8
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code), nbformat.v4.new_code_cell("len(frame)")]
    )
    done = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    [shown] = [output for output in done.cells[1].outputs if output.output_type == "execute_result"]
    assert int(shown["data"]["text/plain"]) > 0


def test_the_walk_from_nothing_to_labelled_rows_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = list(walk(ROOT / "docs/domains.md", [sys.executable, "-m", "promptcot"]))
    assert [ran.command.split()[0] for ran in done] == [
        *("init", "run", "mock-server", "run", "verify", "solve", "label", "train-rows")
    ]
    for ran in done:
        assert ran.code == 0, ran.command
        assert fits(ran.printed, ran.shown), f"{ran.command} prints\n{ran.printed}"
    labelled = list(read_rows(Path("labels.jsonl")))
    assert labelled
    assert all(row["label"] and row["proof"] for row in labelled)


def test_every_command_about_a_set_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the problems that the page drops, for the reasons that it gives."""
    monkeypatch.chdir(tmp_path)
    done = list(walk(ROOT / "docs/set.md", [sys.executable, "-m", "promptcot"]))
    assert [ran.command.split()[0] for ran in done] == [
        *("mock-server", "run", "dedup", "decontaminate", "solve", "label", "select", "measure", "measure")
    ]
    for ran in done:
        assert ran.code == 0, ran.command
        assert fits(ran.printed, ran.shown), f"{ran.command} prints\n{ran.printed}"
    rules = {"spelled": "edit", "renamed": "edit", "reordered": "shingles", "embedded": "containment"}
    dropped = {row["id"]: row.get("rule") for row in read_rows(Path("new.dropped.jsonl"))}
    assert dropped == {**rules, "root-again": "exact", "empty": None}
    found = {row["id"]: row["contamination"]["rule"] for row in read_rows(Path("clean.dropped.jsonl"))}
    assert found == {"same": "same text", "warm-up": "embedded", "squares": "numbers changed", "tank": "8-gram overlap"}


def test_a_page_may_leave_lines_out_and_nothing_else() -> None:
    assert fits("a\nb\nc\n", "a\n…\nc\n")
    assert fits("a\nc\n", "a\n…\nc\n")
    assert not fits("a\nb\nc\n", "a\nc\n")
    assert not fits("a\nb\n", "a\n")
