"""In the Python API, too, no output may overwrite an input, which is checked before anything is opened."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.errors import InputError, RecipeError, UsageError
from promptcot.training.checks import check
from promptcot.training.files import written
from promptcot.training.recipe import load_train

ROW = {"id": "1", "prompt": "p", "problem": "x", "concepts": ["a", "b"], "sentence": "a", "embedding": [1.0]}
Call = Callable[[], Any]


@pytest.fixture(autouse=True)
def _in_a_folder_of_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    for name in ("rows.jsonl", "out/generate.jsonl", "out/solve.failed.jsonl", "out/sample.jsonl", "out/log.jsonl"):
        Path(name).write_text(json.dumps(ROW) + "\n")
    os.symlink("out/generate.jsonl", "link.jsonl")
    os.mkfifo("pipe.jsonl")


def content() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


CALLS: list[Call] = [
    lambda: promptcot.generate("out/generate.jsonl", journal="out"),
    lambda: promptcot.generate("link.jsonl", journal=Path("out")),
    lambda: promptcot.solve("out/solve.failed.jsonl", journal="out"),
    lambda: promptcot.encode("rows.jsonl", output_path="rows.jsonl"),
    lambda: promptcot.encode("rows.jsonl", output_path="rows.safetensors"),
    lambda: promptcot.run("nano", output_dir="out", set={"concepts.path": "out/sample.jsonl"}),
    lambda: promptcot.run("nano", output_dir="out", set={"encode.path": "out/generate.jsonl"}),
    lambda: promptcot.evaluate("nano", output_dir="out", set={"model.model": "out", "model.engine": "local"}),
    lambda: promptcot.merge("rows.jsonl", ["rows.jsonl"]),
    lambda: promptcot.merge("out", ["out"]),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_no_output_replaces_an_input(number: int) -> None:
    before = content()
    with pytest.raises(UsageError, match="would be replaced by the output"):
        CALLS[number]()
    assert content() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: promptcot.generate("pipe.jsonl"),
        lambda: promptcot.filter("pipe.jsonl"),
        lambda: promptcot.label("pipe.jsonl"),
        lambda: promptcot.select("pipe.jsonl"),
        lambda: promptcot.measure("pipe.jsonl"),
        lambda: promptcot.measure("rows.jsonl", vectors="pipe.jsonl"),
        lambda: promptcot.grade("pipe.jsonl"),
        lambda: promptcot.sample("pipe.jsonl"),
        lambda: promptcot.sample("rows.jsonl", vectors="pipe.jsonl"),
        lambda: promptcot.run("nano", set={"concepts.path": "pipe.jsonl"}),
    ],
)
def test_a_pipe_is_no_file_of_rows(call: Call) -> None:
    with pytest.raises(InputError, match=r"pipe\.jsonl is a pipe"):
        call()


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("data.path", ["out/log.jsonl"]),
        ("data.path", ["out/model/rows.jsonl"]),
        ("data.validation", "out/checkpoint-7/rows.jsonl"),
        ("model.path", "out/model"),
        ("model.path", "out"),
        ("model.tokenizer", "out/model"),
    ],
)
def test_a_training_replaces_neither_rows_nor_models(key: str, path: Any) -> None:
    place = Path(path[0] if isinstance(path, list) else path)
    if place.suffix:
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(ROW) + "\n")
    else:
        place.mkdir(exist_ok=True)
        (place / "model.safetensors").touch()
    with pytest.raises(RecipeError, match="would be replaced by the output out"):
        check(load_train("nano-student", [], {"output_dir": "out", key: path}))


def test_the_rows_of_a_training_may_lie_in_its_directory() -> None:
    Path("out/sft.jsonl").write_text(json.dumps({"prompt": "p", "completion": "c"}) + "\n")
    check(load_train("nano-student", [], {"output_dir": "out", "data.path": ["out/sft.jsonl"]}))
    assert all(one.path == Path("out") for one in written(Path("out")))
