"""Marks computed in another process equal those of this one, also if that process is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from promptcot.stages import beside
from promptcot.stages.marking import marked
from promptcot.stages.marks import Marks, marks_of

CHUNKS = [[f"Find the {n}th number, {chunk}, of {word}." for n in range(20)] for chunk, word in enumerate("abcdefgh")]
ODD = ["", "$$", "\ud800", "x", "Find $\\frac12$ of 1,000.", "数学" * 40, "word " * 400]


def same(one: Marks, other: Marks) -> bool:
    arrays = [
        (
            found.wholes,
            found.signatures,
            found.long.hashes,
            found.long.starts,
            found.anchors.hashes,
            found.anchors.starts,
        )
        for found in (one, other)
    ]
    return one.lines == other.lines and all(map(np.array_equal, *arrays))


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "cores", lambda: 2)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Those that are started."""
    started: list[subprocess.Popen[bytes]] = []
    plain = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(plain(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(beside.subprocess, "Popen", start)
    yield started
    for process in started:
        process.kill()


@pytest.mark.parametrize("mask", [False, True])
def test_marks_are_the_same_wherever_they_are_made(mask: bool, processes: list[subprocess.Popen[bytes]]) -> None:
    chunks = [*CHUNKS, ODD]
    made = list(marked(enumerate(chunks), mask, beside=True))
    assert [place for place, _ in made] == list(range(len(chunks)))
    assert all(same(marks, marks_of(chunks[place], mask)) for place, marks in made)
    assert [process.returncode for process in processes] == [-signal.SIGKILL]


def test_what_a_lost_process_has_not_done_is_done_here(processes: list[subprocess.Popen[bytes]]) -> None:
    made = []
    for place, marks in marked(enumerate(CHUNKS), False, beside=True):
        processes[0].kill()
        made.append((place, marks))
    assert all(same(marks, marks_of(CHUNKS[place])) for place, marks in made)
    assert len(made) == len(CHUNKS)


def test_who_takes_no_more_ends_the_process(processes: list[subprocess.Popen[bytes]]) -> None:
    made = marked(enumerate(CHUNKS), False, beside=True)
    next(made)
    made.close()
    assert processes[0].returncode is not None


def test_few_rows_and_a_single_core_start_no_process(
    processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    list(marked(enumerate(CHUNKS), False, beside=False))
    monkeypatch.setattr(beside, "cores", lambda: 1)
    list(marked(enumerate(CHUNKS), False, beside=True))
    assert not processes


def test_the_process_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = f"""
from promptcot.stages.beside import Work, _Beside
from promptcot.stages.marking import _marker
beside = _Beside(Work(_marker, (False,)))
beside.answer(["x"])
open({str(told)!r}, "w").write(str(beside._process.pid))
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    pid = int(told.read_text())
    for _ in range(600):
        try:
            os.kill(pid, 0)
            ended = Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
        except OSError:
            ended = True
        if ended:
            return
        time.sleep(0.1)
    raise AssertionError("it is still there")
