"""Processes chunks of texts ahead of time in child processes, while this process does other work.

Decides where the work is done and how far ahead; results and their order do not depend on it. A child is a fresh
interpreter (not a fork, which would copy locks and open files), connected by pipes. It ends with its input, so that it
does not outlive a killed parent. If a child dies, the rest of the work is done in this process.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import IO, Any, Generic, TypeVar

from promptcot.engines.machine import cores
from promptcot.interruption import inherited_deafness
from promptcot.redaction import without_keys

_AHEAD = 3

_Chunk = TypeVar("_Chunk")
_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Work(Generic[_Asked, _Answer]):
    """The function applied to a chunk: the result of `make`, called with `arguments`. Both can be pickled."""

    make: Callable[..., Callable[[_Asked], _Answer]]
    arguments: tuple[Any, ...] = ()

    def begin(self) -> Callable[[_Asked], _Answer]:
        """Create the function."""
        return self.make(*self.arguments)


def ahead(
    chunks: Iterable[tuple[_Chunk, _Asked]], work: Work[_Asked, _Answer], processes: int
) -> Iterator[tuple[_Chunk, _Answer]]:
    """Chunks with their results, in order; computed in child processes, or here if the machine has one core."""
    if processes < 1 or cores() < 2:
        do = work.begin()
        for chunk, asked in chunks:
            yield chunk, do(asked)
        return
    with ExitStack() as held:
        children = [held.enter_context(closing(_Beside(work))) for _ in range(processes)]
        waiters = [held.enter_context(closing(_Waiter())) for _ in children]
        under_way = deque[tuple[_Chunk, Future[_Answer]]]()
        for number, (chunk, asked) in enumerate(chunks):
            turn = number % processes
            under_way.append((chunk, waiters[turn].threads.submit(children[turn].answer, asked)))
            if len(under_way) > _AHEAD * processes:
                yield _waited_for(*under_way.popleft())
        while under_way:
            yield _waited_for(*under_way.popleft())


def _waited_for(chunk: _Chunk, answer: Future[_Answer]) -> tuple[_Chunk, _Answer]:
    return chunk, answer.result()


class _Waiter:
    """A thread that communicates with one child process."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Discard chunks that have not been started."""
        self.threads.shutdown(cancel_futures=True)


class _Beside(Generic[_Asked, _Answer]):
    """A child process. Not for use by two threads at a time."""

    def __init__(self, work: Work[_Asked, _Answer]) -> None:
        self._work = work
        self._here: Callable[[_Asked], _Answer] | None = None
        self._told = False
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with inherited_deafness():  # the parent handles a request to stop, and ends it
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [sys.executable, "-m", __name__], stdin=pipe, stdout=pipe, stderr=nowhere, env=without_keys(os.environ)
            )

    def answer(self, asked: _Asked) -> _Answer:
        """The result for a chunk."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                if not self._told:
                    _send(self._process.stdin, self._work)
                    self._told = True
                _send(self._process.stdin, asked)
                result: _Answer = pickle.load(self._process.stdout)
                return result
            except (OSError, EOFError, pickle.UnpicklingError):
                self.close()
        self._here = self._here or self._work.begin()
        return self._here(asked)

    def close(self) -> None:
        """End the process, and wait for it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError):  # for data that was not sent
                process.communicate()


def _send(pipe: IO[bytes], value: object) -> None:
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def main() -> None:
    """Read the work from standard input, then apply it to each following chunk until the input ends."""
    with suppress(EOFError, OSError):
        do = pickle.load(sys.stdin.buffer).begin()
        while True:
            _send(sys.stdout.buffer, do(pickle.load(sys.stdin.buffer)))


if __name__ == "__main__":
    main()
