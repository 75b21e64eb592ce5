"""A limit that changes while in use: never exceeded, first come first served, and no slot is lost by a cancellation."""

from __future__ import annotations

import asyncio

from promptcot.runners.slots import Slots


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_limit_is_kept_and_grows_when_it_is_told() -> None:
    async def scenario() -> list[list[int]]:
        limit, entered, seen = [2], list[int](), list[list[int]]()
        slots, done = Slots(lambda: limit[0]), asyncio.Event()

        async def worker(number: int) -> None:
            async with slots:
                entered.append(number)
                await done.wait()

        tasks = [asyncio.create_task(worker(number)) for number in range(6)]
        await _settle()
        seen.append(list(entered))
        limit[0] = 4
        slots.admit()
        await _settle()
        seen.append(list(entered))
        done.set()
        await asyncio.gather(*tasks)
        seen.append(list(entered))
        return seen

    assert asyncio.run(scenario()) == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


def test_a_limit_that_shrinks_lets_nobody_in_until_enough_have_left() -> None:
    async def scenario() -> tuple[bool, bool]:
        limit = [3]
        slots = Slots(lambda: limit[0])
        for _ in range(3):
            await slots.acquire()
        limit[0] = 1
        waiting = asyncio.create_task(slots.acquire())
        await _settle()
        slots.release()
        slots.release()
        await _settle()
        early = waiting.done()
        slots.release()
        await _settle()
        return early, waiting.done()

    assert asyncio.run(scenario()) == (False, True)


def test_a_slot_given_at_the_moment_of_a_cancel_goes_to_the_next() -> None:
    async def scenario() -> bool:
        slots = Slots(lambda: 1)
        await slots.acquire()
        first, second = asyncio.create_task(slots.acquire()), asyncio.create_task(slots.acquire())
        await _settle()
        slots.release()
        first.cancel()
        await _settle()
        return second.done() and not second.cancelled()

    assert asyncio.run(scenario())
