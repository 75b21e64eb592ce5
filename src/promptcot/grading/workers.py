"""A pool of grading processes that can be killed: a call that hangs costs only its worker.

Workers are fresh interpreters (not forks, which would copy locks and open files), connected by pipes. A worker that
exceeds the limit, or dies, is replaced at once. May be used from any thread.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from promptcot.errors import InputError, PromptCoTError
from promptcot.grading import own
from promptcot.grading.worker import patience
from promptcot.interruption import inherited_deafness
from promptcot.redaction import without_keys

_START_SECONDS = 120.0
_HOME = str(Path(__file__).parents[2])
_PROGRAM = """
import sys
home, limit, memory, verifier, *paths = sys.argv[1:]
sys.path.insert(0, home)
import promptcot
sys.path[:] = [*sys.path[1:], *paths]
from promptcot.grading.worker import main
main(float(limit), int(memory), verifier)
"""
"""Imports this package and others from the caller's paths, because paths that a program added to `sys.path`, as Ray
does, are not in its environment. They come last, so that no file beside a script shadows a module of Python."""
_WHY = "`python -c 'import promptcot.grading.symbolic'`, with the same Python, says why"


class WorkerLost(Exception):
    """The worker exceeded its limit or died; `why` is "timeout" or "crash"."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Fault(Exception):
    """The exception of a verifier, as text; `meant` if it is a deliberate refusal and not a mistake in its code."""

    def __init__(self, said: str, meant: bool) -> None:
        self.meant = meant
        super().__init__(said)


class Worker:
    """One process with a verifier. Not for use by two threads at a time."""

    def __init__(self, limit: float, memory: int, verifier: str) -> None:
        command = [sys.executable, "-c", _PROGRAM, _HOME, str(limit), str(memory), verifier, *filter(None, sys.path)]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with inherited_deafness():  # a request to stop would end it, and its pair would count as a crash
            self._process = subprocess.Popen(
                command,
                stdin=pipe,
                stdout=pipe,
                stderr=nowhere,
                bufsize=0,
                close_fds=True,
                env=_environment(verifier),
            )
        self._limit, self._verifier = limit, verifier
        self._ready = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not been killed here."""
        return self._process.returncode is None

    def ask(self, call: str, *arguments: str, **options: bool) -> Any:
        """The verifier's return value. Raises Fault for its exceptions, and WorkerLost, after which the worker is dead.

        Raises InputError if the verifier can be loaded only in the caller's process. Any other exception in between,
        for example from a signal handler, ends the worker too, because its next answer would belong to this call.
        """
        try:
            self._wait_until_ready()
            self._send(json.dumps([call, arguments, options]).encode() + b"\n")
            value, *fault = json.loads(self._line(patience(self._limit)))
        except (OSError, ValueError) as error:
            self.kill()
            raise WorkerLost("crash") from error
        except BaseException:
            self.kill()
            raise
        if fault:
            raise Fault(*fault)
        return value

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        try:
            said = self._line(_START_SECONDS)
        except WorkerLost as lost:
            if (code := self._process.poll() or 0) > 0:  # it ended by itself, not because of a pair
                raise InputError(f"a grading process cannot start and ends with code {code}: {_WHY}") from lost
            raise
        if said != b"ready":
            why = said.decode(errors="replace")
            raise InputError(f"verifier: {self._verifier!r} cannot be loaded in a separate process: {why}")
        self._ready = True

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        rest = memoryview(line)
        while rest:  # a signal may interrupt a long write
            rest = rest[self._process.stdin.write(rest) :]

    def _line(self, longest: float) -> bytes:
        assert self._process.stdout is not None
        until, line = time.monotonic() + longest, b""
        answers = select.poll()  # `select` refuses file descriptors above 1,023, which trainers have
        answers.register(self._process.stdout, select.POLLIN)
        while not line.endswith(b"\n"):
            if not answers.poll(1000 * max(0.0, until - time.monotonic())):
                raise WorkerLost("timeout")
            received = self._process.stdout.read(4096)
            if not received:
                raise WorkerLost("timeout" if self._process.wait() == -signal.SIGPROF else "crash")
            line += received
        return line.strip()

    def kill(self) -> None:
        """End the process at once, and wait for it."""
        self._process.kill()
        self._process.wait()
        self._hang_up()

    def abandon(self) -> None:
        """In a fork: leave the process to the parent. It would outlive the parent while our end of its pipe is open."""
        self._process.returncode = 0  # not our child, so do not wait for it
        self._hang_up()

    def _hang_up(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _environment(verifier: str) -> dict[str, str]:
    """The environment without secrets; the modules of a custom verifier are found as in the caller's process."""
    environment = without_keys(os.environ)
    if own.is_own(verifier):
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment


class Pool:
    """Up to `count` workers with one verifier, started when first needed.

    A call may take `limit` seconds of CPU, and a worker `memory` bytes.
    """

    def __init__(self, count: int, limit: float, memory: int, verifier: str) -> None:
        self._of_each = limit, memory, verifier
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(count):
            self._idle.put(None)

    def ask(self, call: str, *arguments: str, **options: bool) -> Any:
        """The verifier's return value from a free worker. Raises Fault, and WorkerLost if this
        call killed the worker.
        """
        worker, idle = self._idle.get(), None
        try:
            worker = worker or self._start()
            if worker is None or self._closed:
                raise PromptCoTError("this grader is closed: grade inside its `with` block")
            try:
                return worker.ask(call, *arguments, **options)
            finally:
                idle = self._unless_lost(worker)
        except WorkerLost:
            idle = self._start()  # it loads its libraries before the next call needs it
            raise
        finally:
            self._idle.put(idle)

    @property
    def pids(self) -> list[int]:
        """Ids of the living workers."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def close(self) -> None:
        """Kill all workers, including busy ones; calls that wait for one raise WorkerLost."""
        with self._lock:
            self._closed = True
            workers, self._all = list(self._all), set()
        for worker in workers:
            worker.kill()

    def abandon(self) -> None:
        """In a fork: leave all workers to the parent. The pool is then unusable. Takes no lock, which may be held."""
        for worker in list(self._all):
            worker.abandon()

    def _start(self) -> Worker | None:
        """A new worker; None if the pool was closed in the meantime."""
        with _starting, self._lock:
            if self._closed:
                return None
            worker = Worker(*self._of_each)
            self._all.add(worker)
            return worker

    def _unless_lost(self, worker: Worker) -> Worker | None:
        if worker.lives:
            return worker
        with self._lock:
            self._all.discard(worker)
        return None


_starting = threading.RLock()
"""Held while a worker starts, and during forks: a child would inherit its pipes and never close them."""


def _forked() -> None:
    with suppress(RuntimeError):  # this module was loaded while the fork waited to start, so the lock is not held
        _starting.release()


os.register_at_fork(before=_starting.acquire, after_in_parent=_forked, after_in_child=_forked)
