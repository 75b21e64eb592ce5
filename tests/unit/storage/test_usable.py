"""Paths that cannot be an input or an output: an error with the path and a remedy, before anything is written."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from promptcot.errors import InputError, PromptCoTError, UsageError
from promptcot.storage.overlap import Read, Written, check_paths
from promptcot.storage.paths import Kind
from promptcot.storage.rows import read_rows

LONG, TOO_LONG = "x" * 233 + ".jsonl", "x" * 234 + ".jsonl"
"""With `.dropped.jsonl.partial` in the place of `.jsonl`, the first has 255 bytes."""
DEEP = "/".join(["d" * 200] * 21) + "/x.jsonl"


@pytest.fixture(autouse=True)
def _in_a_folder_of_odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.jsonl").write_text("{}\n")
    Path("folder.jsonl").mkdir()
    Path("out.dropped.jsonl").mkdir()
    Path("file.journal").touch()
    os.mkfifo("pipe.jsonl")
    os.symlink("loop.jsonl", "loop.jsonl")
    os.symlink("nowhere", "dangling.jsonl")
    os.symlink("/dev/full", "full.jsonl")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jsonl")


INPUTS = {
    "pipe.jsonl": "is a pipe",
    "socket.jsonl": "is a socket",
    "/dev/null": "is a device",
    "loop.jsonl": "cannot be used",
    "y" * 300: "cannot be used",
    "nul\0.jsonl": "no file can have this name",
    "-": "standard input is not supported",
}
OUTPUTS: list[tuple[str, Kind, str]] = [
    ("pipe.jsonl", "file", "is a pipe"),
    ("socket.jsonl", "plain", "is a socket"),
    ("folder.jsonl", "file", "is a folder"),
    ("loop.jsonl", "file", "cannot be used"),
    ("full.jsonl", "file", "is not a file on a disk"),
    ("/dev/stdout", "file", "is not a file on a disk"),
    ("/dev/fd/1", "plain", "is not a file on a disk"),
    ("/proc/self/fd/1", "file", "is not a file on a disk"),
    ("/dev/null", "folder", "is not a file on a disk"),
    ("-", "file", "is not a file on a disk"),
    ("/", "file", "is a folder"),
    (".", "plain", "is a folder"),
    ("", "file", "is a folder"),
    ("out.jsonl", "file", r"out\.dropped\.jsonl is a folder"),
    ("file.jsonl", "file", r"file\.journal is a file"),
    ("x.jsonl", "folder", "is a file"),
    ("x.jsonl/y.jsonl", "file", "x.jsonl is a file, so nothing can be written below it"),
    ("x.jsonl/a/b", "folder", "x.jsonl is a file, so nothing can be written below it"),
    (TOO_LONG, "file", "the name is too long"),
    ("é" * 120 + ".jsonl", "file", "the name is too long"),
    (DEEP, "file", "the name is too long"),
    ("nul\0.jsonl", "file", "no file can have this name"),
]


@pytest.mark.parametrize(("path", "words"), INPUTS.items())
def test_an_input_is_a_file(path: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        check_paths([Read(Path(path))], [])
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError):
        next(read_rows(path))


@pytest.mark.parametrize(("path", "kind", "words"), OUTPUTS)
def test_an_output_is_a_file_on_a_disk(path: str, kind: Kind, words: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PromptCoTError, match=words) as raised:
        check_paths([], [Written.of(path, kind)])
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", ["dangling.jsonl", "x.jsonl", LONG, "new/x.jsonl", "-x.jsonl", "\udcff.jsonl", "a\nb"])
def test_what_can_be_written_may_be(path: str) -> None:
    check_paths([], [Written.of(path, "file")])


def test_a_run_may_be_written_where_one_stands() -> None:
    for folder in (".", "/tmp"):
        check_paths([], [Written.of(folder, "folder")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_into_is_seen_before_any_work() -> None:
    Path("closed").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="closed: no permission to write into this folder"):
        check_paths([], [Written.of("closed/new/x.jsonl", "file")])
