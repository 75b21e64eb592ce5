"""Marks of many texts (`marks`), made ahead in a process beside this one, which meanwhile compares.

Decides where marks are made and how far ahead; they are the same ones everywhere. The process is a fresh interpreter
(not a fork, which would copy locks and open files), spoken to through pipes. It ends with its input, so that it does
not outlive a parent that is killed; where it is lost, what is left is done here.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import IO, TypeVar

from promptcot.engines.machine import cores
from promptcot.interruption import inherited_deafness
from promptcot.redaction import without_keys
from promptcot.stages.marks import Marks, marks_of

_AHEAD = 3

_Chunk = TypeVar("_Chunk")


def marked(
    chunks: Iterable[tuple[_Chunk, Sequence[str]]], mask_numbers: bool, beside: bool
) -> Iterator[tuple[_Chunk, Marks]]:
    """Chunks with the marks of their problems, in order; `beside` this process where there is a core for it."""
    if not beside or cores() < 2:
        for chunk, problems in chunks:
            yield chunk, marks_of(problems, mask_numbers)
        return
    with closing(_Beside(mask_numbers)) as other, ThreadPoolExecutor(1) as waiter:
        under_way = deque[tuple[_Chunk, Future[Marks]]]()
        try:
            for chunk, problems in chunks:
                under_way.append((chunk, waiter.submit(other.marks, problems)))
                if len(under_way) > _AHEAD:
                    yield _waited_for(*under_way.popleft())
            while under_way:
                yield _waited_for(*under_way.popleft())
        finally:
            waiter.shutdown(cancel_futures=True)


def _waited_for(chunk: _Chunk, marks: Future[Marks]) -> tuple[_Chunk, Marks]:
    return chunk, marks.result()


class _Beside:
    """The process. Not for use by two threads at a time."""

    def __init__(self, mask_numbers: bool) -> None:
        self._mask_numbers = mask_numbers
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        with inherited_deafness():  # a request to stop is for its parent, which ends it
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [sys.executable, "-m", __name__, *(["mask"] if mask_numbers else [])],
                stdin=pipe,
                stdout=pipe,
                stderr=nowhere,
                env=without_keys(os.environ),
            )

    def marks(self, problems: Sequence[str]) -> Marks:
        """What `marks_of` gives."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                _send(self._process.stdin, problems)
                found: Marks = pickle.load(self._process.stdout)
                return found
            except (OSError, EOFError, pickle.UnpicklingError):
                self.close()
        return marks_of(problems, self._mask_numbers)

    def close(self) -> None:
        """End the process, and wait for it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError):  # what was not sent any more
                process.communicate()


def _send(pipe: IO[bytes], value: object) -> None:
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def main(mask_numbers: bool) -> None:
    """Answer lists of problems from standard input with their marks, until it ends."""
    with suppress(EOFError, OSError):
        while True:
            _send(sys.stdout.buffer, marks_of(pickle.load(sys.stdin.buffer), mask_numbers))


if __name__ == "__main__":
    main("mask" in sys.argv[1:])
