"""A small program that owns a server and stops it, with all its descendants, when its parent is gone.

Usage: python -I vllm_guard.py PARENT GRACE COMMAND…

The server ends with the process that started it, however that process ends. The standard input of this program is one
end of a pipe; the other end closes when the parent is done with the server, or is killed. The server then gets SIGTERM,
and whatever is left after `GRACE` seconds is killed. The same happens when the server itself dies, because the worker
processes of a model outlive a killed server and would keep their memory. On Linux this program is the "subreaper" of
orphaned descendants, so it also stops processes that have left the server's process group; elsewhere it stops the
process group.

It is independent of vLLM, needs only the standard library, and is run by its path, so it starts at once. It writes the
server's process id to its standard output. Its exit status is the server's, or 128 + the signal.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOOK = 1.0
_PAUSE = 0.05
_STRAGGLERS = 2.0
_CLEANING = 1.0
_KILLING = 5.0


def descendants(pid: int) -> list[int]:
    """All descendants of a process; empty if the system does not report them."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    pids, left = [], [pid]
    while left:
        young = children.get(left.pop(), [])
        pids += young
        left += young
    return pids


def _parents() -> Iterator[tuple[int, int]]:
    """(process, parent) of every running process."""
    if not Path("/proc/self/stat").exists():
        yield from _parents_by_ps()
        return
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                if state != "Z":
                    yield int(folder.name), int(parent)


def _parents_by_ps() -> Iterator[tuple[int, int]]:
    """The same without /proc; the process that lists them is left out."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as listing:
        for line in listing.communicate()[0].splitlines():
            pid, parent, state = line.split()
            if int(pid) != listing.pid and not state.startswith("Z"):
                yield int(pid), int(parent)


def signal_all(pids: Sequence[int], which: int) -> None:
    """Send a signal to each process that still exists."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, which)


def _cleans_up(pid: int) -> bool:
    """Whether a process is Python's resource tracker, which removes shared memory after the others, hundreds of
    megabytes for vLLM.
    """
    with suppress(OSError):
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


class _Guard:
    """The life of one server: `code` is its exit status once it has ended."""

    def __init__(self, command: Sequence[str]) -> None:
        self.code: int | None = None
        self._wake = _wake_on_signals()
        self._server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True, preexec_fn=_die_with_parent
        )
        self.pid = self._server.pid

    def watch(self, parent: int) -> None:
        """Wait until the server ends, the pipe closes, a signal arrives, or the parent is gone."""
        while self.code is None and os.getppid() == parent:
            ready, _, _ = select.select([sys.stdin, self._wake], [], [], _LOOK)
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1024):
                return
            if self._wake in ready and set(os.read(self._wake, 1024)) & set(_ENDINGS):
                return
            self._reap()

    def end(self, grace: float) -> None:
        """Leave no process: the server has `grace` seconds to end by itself, its orphans have two."""
        if self.code is None:
            signal_all([self.pid], signal.SIGTERM)
            self._wait(grace, lambda: self.code is not None)
        signal_all(self._left(), signal.SIGTERM)
        self._wait(_STRAGGLERS, lambda: not self._left())
        signal_all([pid for pid in self._left() if not _cleans_up(pid)], signal.SIGKILL)
        self._wait(_CLEANING, lambda: not self._left())
        self._wait(_KILLING, self._killed)
        self._reap()

    def _killed(self) -> bool:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        signal_all(self._left(), signal.SIGKILL)
        return not self._left()

    def _left(self) -> list[int]:
        return descendants(os.getpid())

    def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            time.sleep(_PAUSE)
            self._reap()

    def _reap(self) -> None:
        """Reap children that have ended: the server, and adopted orphans."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    self.code = os.waitstatus_to_exitcode(ended[1])
                    self._server.returncode = self.code


def _wake_on_signals() -> int:
    """A descriptor from which the numbers of arriving signals can be read."""
    wake, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *_ENDINGS):
        signal.signal(number, lambda *_: None)
    return wake


def _process_control(option: int, value: int) -> None:
    """A prctl call, on Linux; the guard also works without it, less reliably."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _die_with_parent() -> None:
    """A second safeguard: if this guard is killed, at least its server gets a signal to end."""
    _process_control(_DEATH_SIGNAL, signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    """Run the command under guard. Returns its exit status, or 128 + the signal that ended it."""
    parent, grace, command = int(arguments[0]), float(arguments[1]), arguments[2:]
    _process_control(_SUBREAPER, 1)
    guard = _Guard(command)
    os.write(sys.stdout.fileno(), f"{guard.pid}\n".encode())
    guard.watch(parent)
    guard.end(grace)
    code = guard.code if guard.code is not None else -signal.SIGKILL
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
