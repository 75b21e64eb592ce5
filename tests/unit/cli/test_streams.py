"""Standard output that is closed, full, or read by nobody: no traceback, whole results, a sane exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptcot.storage.rows import read_rows

LINE = "sample --data_path nano --data_size 3 --output_path drawn.jsonl"
LOST = "promptcot: standard output could not be written (No space left on device); files are not affected\n"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")


def ran(line: str, folder: Path, redirected: str) -> subprocess.CompletedProcess[str]:
    """What a shell says of the command with these redirections."""
    script = f'exec "$0" -m promptcot {line} {redirected}'
    command = ["bash", "-c", script, sys.executable]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@needs_full
def test_a_full_standard_output_costs_no_result_and_is_told(tmp_path: Path) -> None:
    done = ran(LINE, tmp_path, "> /dev/full")
    assert (done.returncode, done.stderr) == (1, LOST)
    assert len(list(read_rows(tmp_path / "drawn.jsonl"))) == 3
    assert (tmp_path / "drawn.summary.json").exists()


def test_a_closed_one_is_silence(tmp_path: Path) -> None:
    done = ran(LINE, tmp_path, ">&- 2>&- <&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(read_rows(tmp_path / "drawn.jsonl"))) == 3


def test_no_file_of_ours_becomes_standard_output(tmp_path: Path) -> None:
    """A library, or a child, that prints would write into it."""
    program = "import os, promptcot.cli; promptcot.cli.main(['--version']); os._exit(os.open('f', os.O_CREAT))"
    script = f'"$0" -c "{program}" >&- <&-'
    done = subprocess.run(["bash", "-c", script, sys.executable], cwd=tmp_path, check=False, timeout=120)
    assert done.returncode > 2


def test_nobody_who_reads_is_no_mistake(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "promptcot", *LINE.split()]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=120)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list(read_rows(tmp_path / "drawn.jsonl"))) == 3


@needs_full
@pytest.mark.parametrize(
    ("line", "redirected", "code"), [("--help", "> /dev/full", 1), ("nosuch", "> /dev/full 2> /dev/full", 2)]
)
def test_no_traceback_where_words_are_all_there_is(tmp_path: Path, line: str, redirected: str, code: int) -> None:
    done = ran(line, tmp_path, redirected)
    assert "Traceback" not in done.stderr
    assert done.returncode == code
