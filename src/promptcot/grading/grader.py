"""Runs a verifier so that no answer can block or crash the caller.

Decides what a timeout means (neither right nor wrong), what is cached, and what needs no worker. The verifier
(`verifiers`) decides what an answer is and how answers are compared.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

from promptcot.core.answers.extraction import Extracted
from promptcot.core.remedies import shown
from promptcot.errors import InputError, RefusedGold
from promptcot.grading import own
from promptcot.grading.protocol import Grade
from promptcot.grading.verifiers import MATHEMATICS, SHIPPED, verifier_named
from promptcot.grading.workers import Fault, Pool, WorkerLost

_REMEMBERED = 4096
_MEMORY = 2 << 30
_MOST_SHOWN = 80  # characters of a gold

Result = TypeVar("Result")


class Grader:
    """Runs one verifier, from any thread and from asyncio. A context manager: its processes end with the block.

    `workers` processes are started when first needed; `limit` is the CPU time of a call in seconds. Raises InputError
    for a `verifier` that is neither known nor importable.
    """

    def __init__(self, workers: int = 2, limit: float = 5.0, verifier: str = MATHEMATICS) -> None:
        try:
            verifier_named(verifier)
        except ValueError as error:
            raise InputError(f"verifier: {error}") from error
        self.limit = limit
        self.verifier = verifier
        self._shipped = SHIPPED.get(verifier)
        self._pool = Pool(workers, limit, _MEMORY, verifier)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="promptcot-grader")
        self._known: OrderedDict[tuple[str, str, bool], Grade] = OrderedDict()
        self._lock = threading.Lock()
        self._faults = 0
        self._first_fault = ""

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

    @property
    def notes(self) -> list[str]:
        """Notes for the user on answers for which a custom verifier failed."""
        if self._shipped is not None or not self._faults:
            return []
        calls = "1 call" if self._faults == 1 else f"{self._faults:,} calls"
        said = f"{self.verifier} failed in {calls}; the answers of these calls count as neither right nor wrong"
        return [f"{said}; first {self._first_fault}"]

    @property
    def version(self) -> str:
        """Changes when the verifier may grade differently: its name, and for a custom one the hash of its file."""
        return self.verifier if self._shipped else f"{self.verifier} {own.version(self.verifier)}"

    def abandon(self) -> None:
        """In a fork: leave the worker processes to the parent. Use another grader in the child."""
        self._pool.abandon()

    def extract(self, reply: str, *, unboxed: bool = False) -> Extracted:
        """The answer in a reply that has no thinking before it."""
        if self._shipped is not None:
            return self._shipped.found(reply, unboxed=unboxed)
        return self._extract(reply, unboxed)

    async def aextract(self, reply: str, *, unboxed: bool = False) -> Extracted:
        """Like `extract`, without blocking the event loop."""
        if self._shipped is not None:
            return self._shipped.found(reply, unboxed=unboxed)
        return await self.in_thread(self._extract, reply, unboxed)

    def grade(self, gold: str, answer: str | None) -> Grade:
        """Whether `answer` matches `gold`. Not always symmetric: leniency may depend on how the gold is written."""
        return self._quick(gold, answer, False) or self._slow(gold, answer or "", False)

    async def agrade(self, gold: str, answer: str | None) -> Grade:
        """Like `grade`, without blocking the event loop."""
        return self._quick(gold, answer, False) or await self._aslow(gold, answer or "", False)

    def same(self, one: str, other: str) -> Grade:
        """Whether each of two answers is right with the other as the gold: symmetric, for sorting into classes."""
        one, other = sorted((one, other))
        return self._quick(one, other, True) or self._slow(one, other, True)

    async def asame(self, one: str, other: str) -> Grade:
        """Like `same`, without blocking the event loop."""
        one, other = sorted((one, other))
        return self._quick(one, other, True) or await self._aslow(one, other, True)

    def same_gold(self, one: str, other: str) -> bool | None:
        """Whether an answer written as `other` would be right by the gold `one`; None if this is undecided."""
        return self.grade(one, other).correct

    def takes_gold(self, gold: str) -> bool:
        """Whether answers can be compared with `gold`."""
        try:
            self.check_gold(gold)
        except InputError:
            return False
        return True

    def check_gold(self, gold: str) -> None:
        """Raises RefusedGold naming `gold`, by its first 80 characters, unless answers can be compared with it."""
        if not self._gold_at_once(gold):
            self._ask_about_gold(gold)

    async def acheck_gold(self, gold: str) -> None:
        """Like `check_gold`, without blocking the event loop.

        Golds that need no worker use no thread either, so that their order does not depend on scheduling.
        """
        if not self._gold_at_once(gold):
            await asyncio.to_thread(self._ask_about_gold, gold)

    def _gold_at_once(self, gold: str) -> bool:
        """Whether a gold is known to be valid without a worker. Raises RefusedGold if it is known to be invalid."""
        if not gold.strip():
            raise RefusedGold("a gold answer is empty: give every problem an answer, or leave the problem out")
        try:
            return self._shipped is not None and self._shipped.gold_at_once(gold)
        except InputError as error:
            raise RefusedGold(str(error)) from error

    def _ask_about_gold(self, gold: str) -> None:
        try:
            self._pool.ask("check_gold", gold)
        except Fault as fault:
            named = f"the gold answer {shown(gold, _MOST_SHOWN)!r} is refused by {self.verifier}: {fault}"
            raise RefusedGold(str(fault) if self._shipped is not None and fault.meant else named) from fault
        except WorkerLost as lost:
            took = f"took more than {self.limit:g} s" if lost.why == "timeout" else "ended the process"
            raise RefusedGold(
                f"the gold answer {shown(gold, _MOST_SHOWN)!r} cannot be checked: {self.verifier} {took}"
            ) from lost

    def _quick(self, gold: str, answer: str | None, mutual: bool) -> Grade | None:
        """The grade if no worker is needed."""
        if answer is None or not answer.strip():
            return Grade(False, "no answer")
        verdict = self._shipped.at_once(gold, answer, mutual=mutual) if self._shipped is not None else None
        if verdict is not None:
            return Grade(verdict, "exact")
        with self._lock:
            return self._known.get((gold, answer, mutual))

    def _slow(self, gold: str, answer: str, mutual: bool) -> Grade:
        try:
            verdict = self._pool.ask("same" if mutual else "grade", gold, answer)
            grade = Grade(bool(verdict), "symbolic" if self._shipped is not None else "own")
        except (WorkerLost, Fault) as lost:
            grade = Grade(None, self._failed(lost, answer))
            if isinstance(lost, WorkerLost) and lost.why == "crash":  # another process may have killed it
                return grade
        with self._lock:
            self._known[gold, answer, mutual] = grade
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return grade

    async def _aslow(self, gold: str, answer: str, mutual: bool) -> Grade:
        return await self.in_thread(self._slow, gold, answer, mutual)

    def _extract(self, reply: str, unboxed: bool) -> Extracted:
        try:
            answer = self._pool.ask("extract", reply, unboxed=unboxed)
        except (WorkerLost, Fault) as lost:
            return Extracted(None, self._failed(lost, reply))
        return Extracted(answer, "own") if answer and answer.strip() else Extracted(None, "no answer")

    def _failed(self, lost: WorkerLost | Fault, text: str) -> Any:
        """The method of a failed call, "timeout" or "crash"; the failure is counted."""
        with self._lock:
            self._faults += 1
            self._first_fault = self._first_fault or f"over {shown(text)!r}: {lost}"
        return "timeout" if isinstance(lost, WorkerLost) and lost.why == "timeout" else "crash"

    async def in_thread(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """The result of a call that waits for workers, run in a thread so that the event loop is not blocked."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
