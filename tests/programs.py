"""Starts programs for tests, and waits for events. No wait depends on the speed of the machine: the limits are reached
only if a test has failed anyway. Whatever happens, a program ends with the test that started it, and so does what it
has started in its process group.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 600.0
"""Seconds after which a wait has failed."""


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program in a process group of its own, all of which is killed at the end of the block."""
    with subprocess.Popen(command, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def finished(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its exit code, and what it said."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with started(command, **pipes) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code to its end as a program of its own."""
    return finished([sys.executable, "-c", program, *arguments])


def wait_until(happened: Callable[[], object], process: subprocess.Popen[Any] | None = None) -> None:
    """Until something is so; fails where the process that it depends on ends before."""
    until = time.monotonic() + PATIENCE
    while not happened():
        assert process is None or process.poll() is None or happened(), f"the program ended before: {_said(process)}"
        assert time.monotonic() < until, "nothing happens"
        time.sleep(0.02)


def _said(process: subprocess.Popen[Any]) -> object:
    """What is left in the pipes of a program that has ended."""
    return [said for said in process.communicate() if said]


async def comes_true(happened: Callable[[], object]) -> None:
    """As `wait_until`, while the event loop goes on."""
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.001)


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody has waited for has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_the_end_of(pids: Iterable[int]) -> None:
    """Until none of these processes runs any more."""
    left = set(pids)
    wait_until(lambda: not any(map(runs, left)))


@contextmanager
def computing_at_most(seconds: float = 60.0) -> Iterator[None]:
    """Fail where a block computes for longer, instead of hanging: by the CPU time of this process, which is the same
    on a busy machine. Use it for texts that would take hours if time grew with the square of their length.
    """

    def give_up(*_: object) -> None:
        raise AssertionError(f"not done after {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
