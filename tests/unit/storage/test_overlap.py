"""No output overwrites an input, however the paths refer to one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptcot.errors import UsageError
from promptcot.storage.overlap import MODEL, RUN, Read, Written, check_paths
from promptcot.storage.paths import Kind


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("d", "model", "run"):
        Path(folder).mkdir()
    for name in ("x.jsonl", "d/y.jsonl", "model/model.safetensors", "model/config.json", "run/filter.jsonl"):
        Path(name).write_text("{}\n")
    os.symlink("x.jsonl", "soft.jsonl")
    os.link("x.jsonl", "hard.jsonl")
    os.symlink("d", "linked")


REFUSED: list[tuple[str, str, Kind]] = [
    ("x.jsonl", "x.jsonl", "file"),
    ("x.jsonl", "d/../x.jsonl", "file"),
    ("x.jsonl", "./d/.././x.jsonl", "plain"),
    ("soft.jsonl", "x.jsonl", "file"),
    ("x.jsonl", "soft.jsonl", "file"),
    ("hard.jsonl", "x.jsonl", "plain"),
    ("linked/y.jsonl", "d/y.jsonl", "file"),
    ("d/y.jsonl", "linked/new/../y.jsonl", "file"),
    ("out.failed.jsonl", "out.jsonl", "file"),
    ("out.dropped.jsonl", "out.parquet", "file"),
    ("out.summary.json", "out.jsonl.zst", "file"),
    ("out.recipe.json", "out.jsonl", "file"),
    ("out.jsonl.partial", "out.jsonl", "file"),
    ("out.failed.jsonl.partial", "out.jsonl", "file"),
    ("out.journal/calls.jsonl", "out.jsonl", "file"),
    ("out.journal", "out.jsonl", "file"),
    ("x.parquet", "x.jsonl", "file"),  # summary and recipe of one would replace those of the other
    ("x.jsonl", "x.failed.jsonl", "file"),  # what lies beside an input belongs to it
    ("x.jsonl", "x.dropped.jsonl", "plain"),
    ("x.jsonl", "x.journal/calls.jsonl", "plain"),
    ("v.safetensors", "v.jsonl", "file"),  # the names of the vectors
    ("v.jsonl", "v.safetensors", "file"),
    ("v.safetensors", "v.safetensors", "file"),
    ("x.grades.json", "x.jsonl", "read"),
    ("x.grades/state", "x.jsonl", "read"),
    ("run", "run", "folder"),
    ("run/recipe.json", "run", "folder"),
    ("run", "d/../run", "folder"),
    ("run", "run/filter.jsonl", "file"),
    ("run", "run/results.json", "plain"),
    ("x.jsonl", "x.jsonl", "either"),
]
ALLOWED: list[tuple[str, str, Kind]] = [
    ("x.jsonl", "y.jsonl", "file"),
    ("x.jsonl", "d/x.jsonl", "file"),
    ("x.jsonl", "x.jsonl", "read"),  # grades lie beside what is graded
    ("x.parquet", "x.jsonl", "plain"),
    ("x.jsonl", "x.csv", "plain"),
    ("run/filter.jsonl", "run/other.jsonl", "file"),
    ("run", "d/out.jsonl", "file"),
    ("x.jsonl", "run", "folder"),
    ("run/concepts.jsonl", "run", "folder"),
    ("missing.jsonl", "out.jsonl", "file"),
]


def read(path: str) -> Read:
    return Read(Path(path), RUN)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize(("source", "output", "kind"), REFUSED)
def test_an_output_that_would_replace_an_input_is_refused(source: str, output: str, kind: Kind, absolute: bool) -> None:
    target = Path.cwd() / output if absolute else Path(output)
    with pytest.raises(UsageError, match=r"would be replaced by the output .*; choose another output"):
        check_paths([read("model"), read(source)], [Written.of(target, kind)])


@pytest.mark.parametrize(("source", "output", "kind"), ALLOWED)
def test_other_outputs_are_not(source: str, output: str, kind: Kind) -> None:
    check_paths([read(source)], [Written.of(output, kind)])


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    check_paths([read("x.jsonl")], [Written.of("new/folder/y.jsonl", "file"), Written.of("new/run", "folder")])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are files on Linux")
def test_a_descriptor_is_the_file_that_it_leads_to() -> None:
    with Path("x.jsonl").open("rb") as opened:
        with pytest.raises(UsageError, match="would be replaced"):
            check_paths([Read(Path(f"/proc/self/fd/{opened.fileno()}"))], [Written.of("x.jsonl", "file")])
        Path("x.jsonl").rename("renamed.jsonl")
        with pytest.raises(UsageError, match="would be replaced"):
            check_paths([Read(Path(f"/proc/self/fd/{opened.fileno()}"))], [Written.of("renamed.jsonl", "file")])


@pytest.mark.parametrize("output", ["model/model.safetensors", "model/tokens.jsonl", "model/chat_template.jinja"])
def test_the_files_of_a_model_are_inputs(output: str) -> None:
    with pytest.raises(UsageError, match="in it is read and would be replaced"):
        check_paths([Read(Path("model"), MODEL)], [Written.of(output, "plain")])
    check_paths([Read(Path("model"), MODEL)], [Written.of("model/problems.jsonl", "file")])


TWO: list[tuple[str, Kind, str, Kind, bool]] = [
    ("a.jsonl", "file", "a.jsonl", "file", True),
    ("a.jsonl", "file", "d/../a.jsonl", "file", True),
    ("a.jsonl", "file", "a.parquet", "file", True),
    ("a.jsonl", "file", "a.failed.jsonl", "plain", True),
    ("a.jsonl", "file", "a.journal/b.jsonl", "file", True),
    ("x.jsonl", "file", "soft.jsonl", "file", True),
    ("x.jsonl", "read", "x.grades.json", "plain", True),
    ("x.jsonl", "read", "x.parquet", "read", True),
    ("x.jsonl", "read", "x.jsonl", "read", False),
    ("x.jsonl", "read", "details.jsonl", "plain", False),
    ("a.jsonl", "file", "b.jsonl", "file", False),
    ("a.v.safetensors", "file", "a.v.jsonl", "file", True),
]


@pytest.mark.parametrize(("one", "kind", "other", "other_kind", "refused"), TWO)
def test_two_outputs_are_two(one: str, kind: Kind, other: str, other_kind: Kind, refused: bool) -> None:
    outputs = [Written.of(one, kind), Written.of(other, other_kind)]
    for order in (outputs, outputs[::-1]):
        if refused:
            with pytest.raises(UsageError, match=r"two outputs|one output is among"):
                check_paths([], order)
        else:
            check_paths([], order)


def test_what_lies_at_an_address_is_left_to_others() -> None:
    check_paths([Read(Path("s3:/b/x.jsonl"))], [Written.of("s3:/b/x.jsonl", "file")])
