"""The answers to each problem, sorted into classes of equal ones: shared by grading and labelling.

Decides when two wordings are one class (the grader's strict, symmetric relation, against the first wording of each
class, in the order of the classes), and that answers of one problem are sorted one after the other while problems go
side by side. A pair that the grader cannot decide in time makes two classes, and is counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from promptcot.evaluation.compared import Key, Same

Result = TypeVar("Result")

_AHEAD = 128


class Classes:
    """Class numbers by problem and wording, from 0 for each problem. Memory grows with the distinct wordings."""

    def __init__(self, grader: Same) -> None:
        self._grader = grader
        self._numbers: dict[Key, dict[str, int]] = {}
        self._locks: dict[Key, tuple[asyncio.Lock, int]] = {}
        self.undecided = 0
        """Pairs on which the grader ran out of time."""

    @asynccontextmanager
    async def turn(self, key: Key) -> AsyncGenerator[None, None]:
        """Hold this while the answer of one trace is placed: first come, first placed.

        A lock for each key, removed when no task waits for it.
        """
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks.pop(key)
            if waiting > 1:
                self._locks[key] = (lock, waiting - 1)

    async def place(self, key: Key, text: str) -> int:
        """The class of this wording: known, found among the classes, or new. Call it within `turn`."""
        numbers = self._numbers.setdefault(key, {})
        if text in numbers:
            return numbers[text]
        first_wordings = {number: wording for wording, number in reversed(numbers.items())}
        alike = [number for number in sorted(first_wordings) if await self._same(first_wordings[number], text)]
        numbers[text] = alike[0] if alike else len(first_wordings)
        return numbers[text]

    async def _same(self, one: str, other: str) -> bool:
        correct = (await self._grader.asame(one, other)).correct
        self.undecided += correct is None
        return correct is True


async def in_order(work: Iterable[Coroutine[Any, Any, Result]]) -> AsyncGenerator[Result, None]:
    """The results of coroutines in their order, while up to 128 more are under way. Close it to cancel those."""
    under_way: deque[asyncio.Task[Result]] = deque()
    try:
        for one in work:
            under_way.append(asyncio.create_task(one))
            if len(under_way) > _AHEAD:
                yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
