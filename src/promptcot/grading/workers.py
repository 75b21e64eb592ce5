"""A pool of grading processes, each of which can be killed: a pair that hangs costs its worker and nothing else.

Workers are fresh interpreters (not forks, which would copy locks and open files) spoken to through pipes. A worker that
exceeds the limit, or dies, is replaced at once. May be used from any thread.
"""

from __future__ import annotations

import json
import queue
import select
import signal
import subprocess
import sys
import threading
import time

from promptcot.errors import PromptCoTError
from promptcot.grading.worker import patience
from promptcot.interruption import inherited_deafness
from promptcot.redaction import environment_without_secrets

_START_SECONDS = 120.0


class WorkerLost(Exception):
    """The worker exceeded its limit or died; `why` is "timeout" or "crash"."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Worker:
    """One process. Not for use by two threads at a time."""

    def __init__(self, limit: float, memory: int) -> None:
        command = [sys.executable, "-m", "promptcot.grading.worker", str(limit), str(memory)]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with inherited_deafness():  # a request to stop would end it, and its pair would count as one that crashes
            self._process = subprocess.Popen(
                command,
                stdin=pipe,
                stdout=pipe,
                stderr=nowhere,
                bufsize=0,
                close_fds=True,
                env=environment_without_secrets(),
            )
        self._limit = limit
        self._ready = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, gold: str, answer: str, mutual: bool) -> bool | None:
        """The verdict, None when memory ran out. Raises WorkerLost; the worker is then dead."""
        try:
            if not self._ready:
                self._ready = self._line(_START_SECONDS) == b"ready"
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([gold, answer, mutual]).encode() + b"\n")
            verdict = json.loads(self._line(patience(self._limit)))
        except (OSError, ValueError) as error:
            self.kill()
            raise WorkerLost("crash") from error
        except WorkerLost:
            self.kill()
            raise
        return None if verdict is None else bool(verdict)

    def _line(self, patience: float) -> bytes:
        assert self._process.stdout is not None
        until, line = time.monotonic() + patience, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
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
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Pool:
    """Up to `count` workers, started when first needed. `limit` seconds of CPU a pair, `memory` bytes each."""

    def __init__(self, count: int, limit: float, memory: int) -> None:
        self._limit, self._memory = limit, memory
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(count):
            self._idle.put(None)

    def ask(self, gold: str, answer: str, mutual: bool) -> bool | None:
        """The verdict of a free worker, waiting for one. Raises WorkerLost when this pair cost the worker."""
        worker = self._idle.get()
        try:
            if self._closed:
                raise PromptCoTError("this grader is closed: grade inside its `with` block")
            worker = worker or self._start()
            verdict = worker.ask(gold, answer, mutual)
        except WorkerLost:
            worker = self._successor(worker)
            raise
        finally:
            self._idle.put(worker)
        return verdict

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

    def _start(self) -> Worker:
        with self._lock:
            worker = Worker(self._limit, self._memory)
            self._all.add(worker)
            return worker

    def _successor(self, lost: Worker | None) -> Worker | None:
        """A new worker in place of a lost one, which loads its libraries while nobody waits for it yet."""
        with self._lock:
            if lost is not None:
                self._all.discard(lost)
            if self._closed:
                return None
            worker = Worker(self._limit, self._memory)
            self._all.add(worker)
            return worker
