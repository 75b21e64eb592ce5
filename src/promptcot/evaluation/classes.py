"""Groups the answers to each problem into equivalence classes, for grading and labelling.

The grader decides which two answers are equal. This relation is symmetric but not transitive: 5 equals 5 cm and 5 m.
Two equal answers are in one class unless a third answer equals one of them and not the other. So 5 joins 5 cm unless
another answer is 5 m, and classes do not depend on the order of the traces. A less specific answer
(`core.answers.stated`) does not separate more specific ones, so 5 cm and 0.05 m are one class beside 5; nor does a
letter separate its values: C, (C) 12 and 12 are one class.

Answers of one problem are compared sequentially, different problems concurrently. A pair on which the grader times out
counts as different, and is counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from promptcot.core.answers.stated import CHOICE, Stated, stated
from promptcot.core.statistics import Joined
from promptcot.evaluation.compared import Key, Same

Result = TypeVar("Result")

_AHEAD = 128


class Wordings:
    """The distinct wordings of the answers to one problem, numbered from 0, and which of them are equal."""

    __slots__ = ("_same", "numbers")

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._same: dict[int, set[int]] = {}  # of wordings that equal another one

    def add(self, text: str, same: Iterable[int]) -> int:
        """Add a wording that equals these earlier ones."""
        number = self.numbers[text] = len(self.numbers)
        for other in same:
            self._same.setdefault(number, {number}).add(other)
            self._same.setdefault(other, {other}).add(number)
        return number

    def classes(self) -> Sequence[int]:
        """The class of each wording: the number of the first wording in it."""
        found = list(range(len(self.numbers)))
        said = self._stated() if self._same else ()
        for one, same in self._same.items():
            for other in same:
                if found[other] != found[one] and not self._told_apart(one, other, said):
                    least, most = sorted((found[one], found[other]))
                    found = [least if number == most else number for number in found]
        return found

    def joined(self) -> Joined | None:
        """The classes, and how specific each wording is; None if each wording is a class of its own."""
        classes = self.classes() if self._same else ()
        if all(number == found for number, found in enumerate(classes)):
            return None
        return Joined(classes, [len(one) for one in self._stated()])

    def _stated(self) -> Sequence[Stated]:
        return [stated(text) for text in self.numbers]

    def _told_apart(self, one: int, other: int, said: Sequence[Stated]) -> bool:
        """Whether some third wording equals only one of two equal wordings, and may separate them."""
        return any(
            _may_tell(said[third], said[this], said[that])
            for this, that in ((one, other), (other, one))
            for third in self._same[that] - self._same[this]
        )


def _may_tell(third: Stated, this: Stated, that: Stated) -> bool:
    """Whether a third wording that equals `that` and not `this` separates the two. It does not if it states less than
    both, as 5 beside 5 cm and 0.05 m, nor if `that` is a choice with its value, and the other two are the letter and
    the value.
    """
    less = third < this and third < that
    return not less and not (that >= CHOICE and third.isdisjoint(this))


class Classes:
    """The answers to problems, by the wordings of each. Memory grows with the distinct wordings and the equal pairs."""

    def __init__(self, grader: Same) -> None:
        self._grader = grader
        self._wordings: dict[Key, Wordings] = {}
        self._locks: dict[Key, tuple[asyncio.Lock, int]] = {}
        self.undecided = 0
        """Pairs on which the grader timed out."""

    @asynccontextmanager
    async def turn(self, key: Key) -> AsyncGenerator[None, None]:
        """Hold this while the answer of one trace is placed, in order of arrival.

        A per-key lock, removed when no task waits for it.
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
        """The number of this wording among those of its problem, known or new. Call it within `turn`."""
        wordings = self._wordings.setdefault(key, Wordings())
        if text in wordings.numbers:
            return wordings.numbers[text]
        same = [number for other, number in wordings.numbers.items() if await self._same(other, text)]
        return wordings.add(text, same)

    def of(self, key: Key) -> Sequence[int]:
        """The class of each wording by its number, named by the first wording in it; when all answers are placed."""
        return self._wordings[key].classes() if key in self._wordings else ()

    def joined(self) -> Iterator[tuple[Key, Joined]]:
        """Each problem in which several wordings are one class, when all answers are placed."""
        for key, wordings in self._wordings.items():
            if joined := wordings.joined():
                yield key, joined

    async def _same(self, one: str, other: str) -> bool:
        correct = (await self._grader.asame(one, other)).correct
        self.undecided += correct is None
        return correct is True


async def in_order(work: Iterable[Coroutine[Any, Any, Result]]) -> AsyncGenerator[Result, None]:
    """The results of coroutines in their order, with up to 128 more in flight. Close it to cancel those."""
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
