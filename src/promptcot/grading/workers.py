"""A pool of grading processes, each of which can be killed: a call that hangs costs its worker and nothing else.

Workers are fresh interpreters (not forks, which would copy locks and open files) spoken to through pipes. A worker that
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
"""Finds this package where the caller has it, and others there too: what a program put on its path, as Ray does, is not
in its environment. The caller's paths come last, so that no file beside a script stands in for a module of Python."""
_WHY = "`python -c 'import promptcot.grading.symbolic'`, with the same Python, says why"


class WorkerLost(Exception):
    """The worker exceeded its limit or died; `why` is "timeout" or "crash"."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Fault(Exception):
    """What a verifier raised, as text; `meant` where it is a refusal in words, and no mistake of its code."""

    def __init__(self, said: str, meant: bool) -> None:
        self.meant = meant
        super().__init__(said)


class Worker:
    """One process, which has a verifier. Not for use by two threads at a time."""

    def __init__(self, limit: float, memory: int, verifier: str) -> None:
        command = [sys.executable, "-c", _PROGRAM, _HOME, str(limit), str(memory), verifier, *filter(None, sys.path)]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with inherited_deafness():  # a request to stop would end it, and its pair would count as one that crashes
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
        """What the verifier returns. Raises Fault for what it raises, and WorkerLost; the worker is then dead.

        Raises InputError where the verifier cannot be opened in another process than the caller's. Whatever else is
        raised meanwhile, as by a signal's handler, ends the worker too: its next answer would be the one to this call.
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
            if (code := self._process.poll() or 0) > 0:  # it ended by itself: no pair is to blame
                raise InputError(f"a grading process cannot start, and ends with code {code}: {_WHY}") from lost
            raise
        if said != b"ready":
            why = said.decode(errors="replace")
            raise InputError(f"verifier: {self._verifier!r} cannot be opened in a process of its own: {why}")
        self._ready = True

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        rest = memoryview(line)
        while rest:  # a signal cuts a long write short
            rest = rest[self._process.stdin.write(rest) :]

    def _line(self, longest: float) -> bytes:
        assert self._process.stdout is not None
        until, line = time.monotonic() + longest, b""
        answers = select.poll()  # `select` takes no file numbers above 1,023, which trainers have
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
        """In a fork: leave the process to the parent. It would outlive that one while our end of its pipe is open."""
        self._process.returncode = 0  # nobody here waits for a process that is not a child
        self._hang_up()

    def _hang_up(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _environment(verifier: str) -> dict[str, str]:
    """Without secrets; modules of a verifier of the user's own are found where the caller finds them."""
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
        """What the verifier of a free worker returns, waiting for one. Raises Fault, and WorkerLost when this call cost
        the worker.
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
            idle = self._start()  # it loads its libraries while nobody waits for it yet
            raise
        finally:
            self._idle.put(idle)

    @property
    def pids(self) -> list[int]:
        """Ids of the living workers."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def close(self) -> None:
        """Kill all workers, also those that are at work; whoever waits for one gets WorkerLost."""
        with self._lock:
            self._closed = True
            workers, self._all = list(self._all), set()
        for worker in workers:
            worker.kill()

    def abandon(self) -> None:
        """In a fork: leave all workers to the parent. This pool is then of no use. No lock is taken: it may be held."""
        for worker in list(self._all):
            worker.abandon()

    def _start(self) -> Worker | None:
        """A new worker; none where the pool was closed meanwhile."""
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
    with suppress(RuntimeError):  # this module was loaded while the fork waited to begin, and nothing is held
        _starting.release()


os.register_at_fork(before=_starting.acquire, after_in_parent=_forked, after_in_child=_forked)
