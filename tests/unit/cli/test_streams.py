"""Standard output that is closed, full, or read by nobody: no traceback, whole results, a sane exit code."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
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


def on_a_terminal(line: str, folder: Path, columns: int, **more: str) -> str:
    """What a terminal of this width is sent by a command."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **more}
    command = [sys.executable, "-m", "promptcot", *line.split()]
    with subprocess.Popen(command, cwd=folder, stdout=follower, stderr=subprocess.PIPE, env=environment) as child:
        os.close(follower)
        said = b""
        with suppress(OSError):  # the end, on Linux
            while some := os.read(leader, 65536):
                said += some
        child.communicate(timeout=120)
    os.close(leader)
    return said.decode().replace("\r\n", "\n")


PLAN = "plan nano --target 5 --gpus 1 --draws 50"


def test_a_terminal_gets_lines_that_fit_and_a_bold_header(tmp_path: Path) -> None:
    said = on_a_terminal(PLAN, tmp_path, 80)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert max(map(len, plain.splitlines())) <= 80
    assert re.search(r"\x1b\[1mrates +value +from", said)


def test_no_color_is_obeyed(tmp_path: Path) -> None:
    assert "\x1b" not in on_a_terminal(PLAN, tmp_path, 80, NO_COLOR="1")


def test_a_pipe_gets_no_escape_and_the_same_width_whatever_the_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "promptcot", *PLAN.split()]
    narrow, wide = (
        subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "COLUMNS": columns}, capture_output=True, check=True, timeout=120
        ).stdout
        for columns in ("40", "300")
    )
    assert narrow == wide
    assert b"\x1b" not in narrow
    assert max(map(len, narrow.decode().splitlines())) <= 100
