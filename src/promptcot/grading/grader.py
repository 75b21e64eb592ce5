"""Whether an answer is right: the face of grading.

Decides what a timeout means (neither right nor wrong), what is remembered, and which pairs never need a worker. How
answers are compared is decided in `promptcot.core.answers` and, with algebra, in `promptcot.grading.symbolic`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Self

from promptcot.core.answers import exact
from promptcot.errors import InputError
from promptcot.grading.workers import Pool, WorkerLost

Method = Literal["exact", "symbolic", "no answer", "timeout", "crash"]

_REMEMBERED = 4096
_MEMORY = 2 << 30
_NAMED = 80  # characters of a gold that a message names


@dataclass(frozen=True)
class Grade:
    """Whether the answer is right, and how that was found; None after a timeout or a crash."""

    correct: bool | None
    method: Method


class Grader:
    """Grades from any thread and from asyncio. A context manager: its worker processes end with the block.

    `workers` processes are started when first needed; `limit` is the seconds of CPU that a pair may take.
    """

    def __init__(self, workers: int = 2, limit: float = 5.0) -> None:
        self.limit = limit
        self._pool = Pool(workers, limit, _MEMORY)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="promptcot-grader")
        self._known: OrderedDict[tuple[str, str, bool], Grade] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all worker processes."""
        self._pool.close()
        self._threads.shutdown(cancel_futures=True)

    @property
    def pids(self) -> list[int]:
        """Ids of the living worker processes."""
        return self._pool.pids

    def grade(self, gold: str, answer: str | None) -> Grade:
        """Whether `answer` is what `gold` asks for. Not symmetric: leniency goes by how the gold is written."""
        return self._quick(gold, answer, False) or self._slow(gold, answer or "", False)

    async def agrade(self, gold: str, answer: str | None) -> Grade:
        """As `grade`, without keeping the event loop waiting."""
        return self._quick(gold, answer, False) or await self._in_thread(gold, answer or "", False)

    def same(self, one: str, other: str) -> Grade:
        """Whether each of two answers is right where the other is the gold: symmetric, for sorting into classes."""
        one, other = sorted((one, other))
        return self._quick(one, other, True) or self._slow(one, other, True)

    async def asame(self, one: str, other: str) -> Grade:
        """As `same`, without keeping the event loop waiting."""
        one, other = sorted((one, other))
        return self._quick(one, other, True) or await self._in_thread(one, other, True)

    def same_gold(self, one: str, other: str) -> bool | None:
        """Whether an answer written as `other` would be right by the gold `one`; None where nobody can tell."""
        return self.grade(one, other).correct

    def check_gold(self, gold: str) -> None:
        """Raises InputError naming `gold` unless it can be read and equals itself."""
        if not gold.strip():
            raise InputError("a gold answer is empty: give every problem an answer, or leave the problem out")
        if self.grade(gold, f"\\boxed{{{gold}}}").correct is not True:
            named = repr(gold if len(gold) <= _NAMED else gold[:_NAMED] + "…")
            raise InputError(
                f"the gold answer {named} does not equal itself, so nothing could: correct how it is written"
            )

    def _quick(self, gold: str, answer: str | None, mutual: bool) -> Grade | None:
        """The grade if no worker is needed."""
        if answer is None or not answer.strip():
            return Grade(False, "no answer")
        verdict = exact.mutual(gold, answer) if mutual else exact.same(gold, answer)
        if verdict is not None:
            return Grade(verdict, "exact")
        with self._lock:
            return self._known.get((gold, answer, mutual))

    def _slow(self, gold: str, answer: str, mutual: bool) -> Grade:
        try:
            verdict = self._pool.ask(gold, answer, mutual)
            grade = Grade(verdict, "symbolic" if verdict is not None else "crash")
        except WorkerLost as lost:
            grade = Grade(None, "timeout" if lost.why == "timeout" else "crash")
        with self._lock:
            self._known[gold, answer, mutual] = grade
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return grade

    async def _in_thread(self, gold: str, answer: str, mutual: bool) -> Grade:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._slow, gold, answer, mutual)


def grade_integer(gold: str, answer: str | None) -> Grade:
    """For benchmarks whose answers are integers: exactly the same integer, however it is written (007, 7.0, 1,234)."""
    if answer is None or not answer.strip():
        return Grade(False, "no answer")
    return Grade(exact.same_integer(gold, answer), "exact")
