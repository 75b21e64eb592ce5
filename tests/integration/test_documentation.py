"""What the documentation shows runs: the examples of docs/api.md, in order, and the notebook of the README."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

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
