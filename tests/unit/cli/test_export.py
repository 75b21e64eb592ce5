"""What `promptcot export` writes, says and ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import promptcot
from promptcot.cli import main
from promptcot.errors import InputError, UsageError
from promptcot.exports import job
from promptcot.exports.formats import FORMATS
from promptcot.storage.rows import read_rows

TRACE = "<think>\nAdd.\n</think>\n\nSo it is \\boxed{4}."
PAIRED = {"chosen": TRACE, "rejected": "<think>\nAdd.\n</think>\n\nSo it is \\boxed{5}."}


def row(number: int, **changed: Any) -> dict[str, Any]:
    known = {"id": f"p{number}", "problem": f"What is {number} + {4 - number}?", "answer": "4", "level": "AIME"}
    return {**known, "foundational_concepts": [f"c{number}"], "completion": TRACE, **PAIRED, **changed}


@pytest.fixture(autouse=True)
def _rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("rows.jsonl", [row(number) for number in range(20)])


def write(path: str, rows: list[dict[str, Any]]) -> None:
    Path(path).write_text("".join(json.dumps(one) + "\n" for one in rows))


def run(line: str) -> int:
    return main(line.split())


def content(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("name", "layout"), [(name, one) for name, its in FORMATS.items() for one in its.layouts])
def test_each_format_is_written_read_back_and_scored(
    name: str, layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"export --data-path rows.jsonl --output-path out --to {name} --layout {layout} --test 0.2 --check"
    assert run(line) == 0
    said = capsys.readouterr().out
    assert "export: 20 in = 20 out + 0 dropped + 0 failed" in said
    assert f"written: out ({layout} for {name})" in said
    assert "check: 20 of 20 golds pass their own verifier" in said
    assert [file.stem for file in sorted(Path("out").glob(f"t*{FORMATS[name].suffix}"))] == ["test", "train"]
    assert "Traceback" not in said


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_export_gives_the_same_bytes(name: str) -> None:
    line = f"export --data-path rows.jsonl --output-path out --to {name} --validation 0.2"
    assert run(line) == 0
    before = content(".")
    assert run(line) == 0
    assert content(".") == before


OLD = {"BYTE_ARRAY", "INT64", "DOUBLE"}


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.suffix == ".parquet"])
def test_old_readers_know_all_that_the_files_hold(name: str) -> None:
    """datasets 2.19 with pyarrow 12 read them; notes for newer ones, large or dictionary types would stop it."""
    assert run(f"export --data-path rows.jsonl --output-path out --to {name}") == 0
    file = pq.ParquetFile("out/train.parquet")
    assert not any(b"huggingface" in key for key in file.metadata.metadata or {})
    columns = [file.schema.column(place) for place in range(len(file.schema.names))]
    assert {column.physical_type for column in columns} <= OLD
    assert {column.logical_type.type for column in columns} <= {"STRING", "NONE"}
    kinds = " ".join(str(field.type) for field in file.schema_arrow)
    assert not any(word in kinds for word in ("large_", "dictionary", "view", "extension"))
    encodings = {
        encoding
        for group in range(file.num_row_groups)
        for place in range(file.metadata.row_group(group).num_columns)
        for encoding in file.metadata.row_group(group).column(place).encodings
    }
    assert encodings <= {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("--to verifiers", 2, "no trainer is called 'verifiers': did you mean prime? one of sft, dpo, trl, verl"),
        ("--to verl --layout text", 2, "verl has no layout 'text': one of messages"),
        ("--to prime --rows-per-shard 5", 2, "prime reads one file for each split"),
        ("--to verl --test 0.6 --validation 0.4", 2, "give shares of at least 0, together below 1"),
        ("--to verl --test 2", 2, "2.0 is not in the range 0<=x<=1"),
        ("--to verl --columns answer=gold", 1, "gold"),
        ("--to verl --prompts nowhere", 1, "nowhere"),
        ("--to verl --verifier nothing", 2, "nothing"),
        ("--to verl --style qwq", 2, "style qwq makes a prompt of one text, and verl reads messages only"),
        ("--to trl --style qwq", 2, "--layout text"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    options: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"export --data-path rows.jsonl --output-path out {options}") == code
    assert words in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("data", "output", "words"),
    [
        ("rows.jsonl", "rows.jsonl", "is a file, but a folder is to be created there"),
        ("out/rows.jsonl", "out", "would be replaced by the output"),
        ("out.dropped.jsonl", "out", "would be replaced by the output"),
        ("rows.jsonl", "full", "the folder contains other files and no export.json"),
        ("rows.jsonl", "x.partial", "names that end in .partial are reserved for unfinished folders"),
        ("nowhere.jsonl", "out", "no such file"),
        ("full", "out", "this is not a run directory"),
        ("empty.jsonl", "out", "it has no rows, so there is nothing to export"),
    ],
)
def test_nothing_is_lost_and_what_is_no_input_is_said(
    data: str, output: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("out", "full"):
        Path(folder).mkdir()
        write(f"{folder}/rows.jsonl", [row(1)])
    write("out.dropped.jsonl", [row(1)])
    Path("empty.jsonl").touch()
    before = content(".")
    assert run(f"export --data-path {data} --output-path {output} --to verl") in (1, 2)
    assert words in capsys.readouterr().err
    assert content(".") == before


@pytest.mark.parametrize("recipe", [None, "{", '{"format": 0}'])
@pytest.mark.parametrize("to", ["trl", "dpo"])
def test_a_run_whose_recipe_is_lost_has_its_domain_named(
    recipe: str | None, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").mkdir()
    write("run/set.jsonl", [row(1)])
    if recipe is not None:
        Path("run/recipe.json").write_text(recipe)
    assert run(f"export --data-path run --output-path out --to {to}") == 1
    assert "name it with --prompts" in capsys.readouterr().err
    assert run("export --data-path run --output-path out --to trl --prompts nano") == 0


def test_rows_without_what_is_needed_are_left_out_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    write("rows.jsonl", [row(1), row(2, answer=None), row(3, agreement=0.4, n=4, label="4")])
    assert run("export --data-path rows.jsonl --output-path out --to verl --check") == 0
    said = capsys.readouterr().out
    assert "export: 3 in = 1 out + 2 dropped (answer not agreed: 1, no answer: 1) + 0 failed" in said
    assert "left out: out.dropped.jsonl" in said
    assert {one["id"]: one["reason"] for one in read_rows("out.dropped.jsonl")} == {
        "p2": "no answer",
        "p3": "answer not agreed",
    }
    assert run("export --data-path rows.jsonl --output-path out --to verl --disputed") == 0
    assert "3 in = 2 out" in capsys.readouterr().out


def test_where_nothing_goes_out_the_way_out_is_said_and_no_folder_appears(capsys: pytest.CaptureFixture[str]) -> None:
    write("rows.jsonl", [row(1, answer=None), row(2, answer="")])
    assert run("export --data-path rows.jsonl --output-path out --to trl --check") == 1
    said = capsys.readouterr().out
    assert "nothing to export: no row has an answer: `promptcot label`" in said
    assert "not written: out" in said
    assert "check" not in said
    assert not Path("out").exists()


def test_a_gold_that_fails_is_named_and_the_command_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder stays, so that one can look at it. What no verifier reads is left out before, so one is made blind."""
    write("rows.jsonl", [row(1), row(2, answer="the \x1b[31mbutler")])
    assert run("export --data-path rows.jsonl --output-path out --to trl --verifier exact") == 0
    real = job.check
    monkeypatch.setattr(job, "check", lambda *given, **options: real(*given, **{**options, "verifier": "integers"}))
    capsys.readouterr()
    assert run("export --data-path rows.jsonl --output-path out --to trl --verifier exact --check") == 1
    said = capsys.readouterr().out
    assert "check: 1 of 2 golds pass their own verifier\n  p2: the " in said
    assert "butler (" in said
    assert "\x1b" not in said
    assert Path("out/train.parquet").exists()


def test_python_gets_the_files_the_counts_and_the_check() -> None:
    found = promptcot.export([row(number) for number in range(6)], "out", to="verl", test=0.4, check=True)
    assert found.directory == Path("out")
    assert sum(found.rows.values()) == 6 == found.counts.rows_out
    assert all(path.is_file() for paths in found.files.values() for path in paths)
    assert found.checked is not None
    assert (found.checked.ok, found.checked.golds) == (True, 6)
    assert not Path("out.labels").exists()


def test_python_is_told_why_nothing_went_out() -> None:
    found = promptcot.export([row(1, answer=None)], "out", to="verl", check=True)
    assert (found.directory, found.files, found.checked) == (None, {}, None)
    assert any("no row has an answer" in note for note in found.notes)


def test_python_refuses_what_the_command_refuses() -> None:
    with pytest.raises(UsageError, match="did you mean verl"):
        promptcot.export("rows.jsonl", "out", to="vrl")
    with pytest.raises(UsageError, match="would be replaced"):
        promptcot.export("out/rows.jsonl", "out", to="verl")
    with pytest.raises(UsageError, match="validation: -1 is not a number between 0 and 1"):
        promptcot.export("rows.jsonl", "out", to="verl", validation=-1)
    with pytest.raises(InputError, match="no such file"):
        promptcot.export("nowhere.jsonl", "out", to="verl")


def test_the_function_is_the_function_whatever_was_imported_before() -> None:
    """A package called `promptcot.export` would take its place as soon as anything imports it."""
    assert callable(promptcot.export)
    assert not (Path(promptcot.__file__).parent / "export").exists()


def test_the_folder_says_what_it_is_and_is_uploaded_only_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    line = "export --data-path rows.jsonl --output-path out --to prime --license mit --language en"
    assert run(f"{line} --push me/set --dry-run") == 0
    said = capsys.readouterr().out
    assert "nothing was sent (--dry-run)" in said
    told = json.loads(Path("out/export.json").read_text())
    assert (told["format"], told["set"], told["to"]) == ("promptcot-export/1", "rows", "prime")
    written = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    assert {*told["files"], "export.json"} == written
    assert all(name in said for name in written)
    card = Path("out/README.md").read_text()
    assert 'license: "mit"' in card
    assert "20 rows" in card
    assert run(f"{line} --yes") == 2
    assert "--yes needs --push OWNER/NAME" in capsys.readouterr().err
