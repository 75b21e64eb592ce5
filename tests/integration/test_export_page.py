"""docs/export.md: its commands and examples run, and its settings name existing files and columns."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptcot.cli import main
from promptcot.exports.formats import FORMATS, format_of
from promptcot.storage.rows import read_rows
from tests.integration.walk import fits, walk

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
TEXT = PAGE.read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SETTINGS = {
    found["code"].partition("\n")[0].removeprefix("# of "): found["code"].partition("\n")[2]
    for found in _BLOCK.finditer(TEXT)
    if found["code"].startswith("# of ")
}
WITH_CODE = {"sft", "dpo", "trl"}


def test_its_commands_print_what_it_shows_and_its_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for ran in walk(PAGE, [sys.executable, "-m", "promptcot"]):
        assert ran.code == 0, ran.printed
        shown = re.sub(r"datasets …", ran.printed.partition("loaded by ")[2].partition("\n")[0], ran.shown)
        assert fits(ran.printed, shown), f"{ran.command} prints\n{ran.printed}"
    codes = [found["code"] for found in _BLOCK.finditer(TEXT) if found["language"] == "python"]
    assert len(codes) == 2
    for code in codes:
        exec(compile(code, "docs/export.md", "exec"), {"__name__": "__main__"})


def test_each_trainer_has_its_settings_or_code() -> None:
    assert set(SETTINGS) | WITH_CODE == set(FORMATS)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_name_files_and_columns_that_an_export_has(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for found in _BLOCK.finditer(TEXT):
        if found["language"] == "jsonl":
            Path("set.jsonl").write_text(found["code"].partition("\n")[2], encoding="utf-8")
    line = f"export --data-path set.jsonl --output-path rl/{name} --to {name} --test 0.25"
    assert main(line.split()) == 0
    settings = dict(_settings(SETTINGS[name]))
    paths = [path for value in settings.values() for path in _words(value) if path.startswith("rl/")]
    assert paths
    assert all(Path(path).exists() for path in paths), paths
    [row, *_] = read_rows(next(Path("rl", name).glob(f"train*{FORMATS[name].suffix}")))
    keys = {value for key, value in settings.items() if key.endswith("_key")}
    assert keys <= row.keys()
    assert "env_class" not in settings or settings["env_class"] == row["env_class"]


def _settings(text: str) -> Iterator[tuple[str, Any]]:
    """Names and values of YAML, or of options of a command line."""
    if text.startswith(("--", "PYTHONPATH")):
        words = shlex.split(text)
        yield from (
            (word.partition(".")[2] or word, after) for word, after in zip(words, [*words[1:], ""], strict=True)
        )
        yield from (word.split("=", 1) for word in words if "=" in word)  # type: ignore[misc]
        return
    yield from _leaves("", yaml.safe_load(text))


def _leaves(name: str, found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _leaves(key, value)
    elif isinstance(found, list) and any(isinstance(one, dict) for one in found):
        for place, one in enumerate(found):
            for key, value in _leaves(name, one):
                yield f"{key} {place}", value
    else:
        yield name, found


def _words(value: Any) -> list[str]:
    return [*map(str, value)] if isinstance(value, list) else [str(value)]


def _rows_of_table() -> Iterator[tuple[str, list[str]]]:
    """The cells of the table of formats, by format; a row without a name belongs to the one above."""
    name = ""
    for line in TEXT.partition("## Formats\n")[2].partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if line.startswith("|") and len(cells) == 5 and not cells[0].startswith(("`--to`", "---")):
            name = cells[0].strip("`| ") or name
            yield name, cells


def test_the_table_has_each_layout_with_its_columns() -> None:
    shown = [
        (name, layout, cells[2]) for name, cells in _rows_of_table() for layout in re.findall(r"`([\w-]+)`", cells[1])
    ]
    assert sorted((name, layout) for name, layout, _ in shown) == sorted(
        (name, layout) for name, one in FORMATS.items() for layout in one.layouts
    )
    for name, layout, columns in shown:
        own = set(format_of(name, layout).schema({})) - {"id", "problem"}
        named = set(re.findall(r"`([\w]+)`", columns))
        missing = own - named - ({"answer"} if FORMATS[name].kind != "rl" or name in ("openrlhf", "nemo-rl") else set())
        assert not missing or (name, layout) == ("dpo", "text"), f"{name} {layout}: {missing}"


def test_the_first_layout_of_a_format_is_its_default() -> None:
    first: dict[str, str] = {}
    for name, cells in _rows_of_table():
        first.setdefault(name, re.findall(r"`([\w-]+)`", cells[1])[0])
    assert first == {name: one.layouts[0] for name, one in FORMATS.items()}


def test_the_sources_are_those_that_the_formats_name() -> None:
    table = TEXT.partition("## Versions and sources\n")[2]
    for name, one in FORMATS.items():
        read = ", ".join(f"`{file}`" for file in one.source.read)
        assert f"| `{name}` | {one.source.framework} {one.source.version} | {read} |" in table
