"""The answers to each problem, sorted into classes of equal ones: shared by grading and labelling.

Decides when two wordings are one class: a wording joins the first class of which it is the same as every member, so
that 5 cm and 5 m are two classes whoever else says 5 (complete linkage; the grader's relation is symmetric and not
transitive). A choice with its value, (C) 12, links the classes of C and of 12 (`settled`). Answers of one problem are
sorted one after the other while problems go side by side. A pair that the grader cannot decide in time makes two
classes, and is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from promptcot.core.answers.parts import is_choice
from promptcot.evaluation.compared import Key, Same

Result = TypeVar("Result")

_AHEAD = 128
_NOTHING: Mapping[int, int] = {}


class Classes:
    """Class numbers by problem and wording, from 0 for each problem. Memory grows with the distinct wordings."""

    def __init__(self, grader: Same) -> None:
        self._grader = grader
        self._numbers: dict[Key, dict[str, int]] = {}
        self._links: dict[Key, set[tuple[int, int]]] = {}
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
        members = _members(numbers)
        choice = is_choice(text)
        alike = (number for number, wordings in members.items() if is_choice(wordings[0]) is choice)
        found = [number for number in alike if await self._same_as_all(text, members[number])]
        numbers[text] = found[0] if found else len(members)
        await self._link(key, text, choice)
        return numbers[text]

    async def _link(self, key: Key, text: str, choice: bool) -> None:
        """Note which classes of choices and of plain answers are the same in every wording."""
        own, members = self._numbers[key][text], _members(self._numbers[key])
        for number, wordings in members.items():
            if is_choice(wordings[0]) is choice:
                continue
            link = (own, number) if choice else (number, own)
            links = self._links.setdefault(key, set())
            if (len(members[own]) == 1 or link in links) and await self._same_as_all(text, wordings):
                links.add(link)
            else:
                links.discard(link)

    def settled(self, key: Key) -> Mapping[int, int]:
        """The class of a choice with its value, for each class of answers that only this choice stands for.

        To be asked when all answers are placed. What two different choices stand for, as C does for (C) 12 and (C) 13,
        stays a class of its own.
        """
        links = self._links.get(key)
        if not links:
            return _NOTHING
        once = Counter(plain for _, plain in links)
        return {plain: choice for choice, plain in links if once[plain] == 1}

    async def _same_as_all(self, text: str, wordings: Iterable[str]) -> bool:
        for wording in wordings:
            if not await self._same(wording, text):
                return False
        return True

    async def _same(self, one: str, other: str) -> bool:
        correct = (await self._grader.asame(one, other)).correct
        self.undecided += correct is None
        return correct is True


def _members(numbers: dict[str, int]) -> dict[int, list[str]]:
    """The wordings of each class, in the order of the classes."""
    found: dict[int, list[str]] = {}
    for wording, number in numbers.items():
        found.setdefault(number, []).append(wording)
    return found


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
