"""Programs that tests start end with the tests, and waits fail if the event cannot occur."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import programs
from tests.programs import computing_at_most, finished, python, runs, started, wait_for_the_end_of, wait_until

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(child.pid, flush=True)
time.sleep(3600)
"""


def wait_in_vain(pids: list[int]) -> None:
    """Start a program that starts another one, and wait for what never comes."""
    with started([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids += [parent.pid, int(parent.stdout.readline())]
        wait_until(lambda: False, parent)


def test_a_wait_that_fails_ends_the_program_and_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(programs, "PATIENCE", 0.0)
        with pytest.raises(AssertionError, match="nothing happens"):
            wait_in_vain(pids)
    assert len(pids) == 2
    wait_for_the_end_of(pids)


def test_a_wait_fails_when_the_program_has_ended_and_tells_what_it_said() -> None:
    with (
        started([sys.executable, "-c", "print('my last words')"], stdout=subprocess.PIPE) as program,
        pytest.raises(AssertionError, match=r"ended before.*my last words"),
    ):
        wait_until(lambda: False, program)


def test_a_program_says_how_it_ended() -> None:
    done = python("import sys; print(sys.argv[1]); print('no', file=sys.stderr); sys.exit(3)", "yes")
    assert (done.returncode, done.stdout, done.stderr) == (3, "yes\n", "no\n")
    with pytest.raises(FileNotFoundError):
        finished(["/nowhere/program"])


def test_a_process_that_nobody_waited_for_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as program:
        wait_until(lambda: not runs(program.pid))
        assert program.returncode is None


def compute_for_ever() -> None:
    with computing_at_most(0.05):
        while True:
            pass


def test_endless_computing_is_given_up() -> None:
    with pytest.raises(AssertionError, match="CPU time"):
        compute_for_ever()
