"""Streams between stages: parallel branches, and what happens when one of them fails."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from promptcot.records import Item, Outcome
from promptcot.runners.streams import Tee, merged, side_by_side


async def numbers(count: int, broken_at: int | None = None) -> AsyncIterator[Item]:
    for number in range(count):
        if number == broken_at:
            raise ValueError("broken")
        yield Item(number, {"id": str(number)})


async def outcomes(items: AsyncIterator[Item], pause: float = 0) -> AsyncIterator[Outcome]:
    async for item in items:
        await asyncio.sleep(pause)
        yield Outcome(item, [item.row])


async def test_every_branch_gets_every_item_though_one_is_slow() -> None:
    async with Tee(numbers(300), 3, ahead=2) as branches:
        streams = [outcomes(branch, pause) for branch, pause in zip(branches, (0, 0.0001, 0), strict=True)]
        together = [heads async for heads in side_by_side(streams)]
    assert [[head.item.index for head in heads] for heads in together] == [[n] * 3 for n in range(300)]


async def test_no_branch_runs_ahead_of_the_slowest_by_more_than_the_queue() -> None:
    pulled = 0

    async def counted() -> AsyncIterator[Item]:
        nonlocal pulled
        async for item in numbers(1000):
            pulled += 1
            yield item

    async with Tee(counted(), 2, ahead=5) as branches:
        for _ in range(4):
            await anext(branches[0])
        await asyncio.sleep(0.01)
    assert pulled < 20


async def test_a_broken_source_reaches_the_reader() -> None:
    async with Tee(numbers(9, broken_at=5), 2) as branches:
        together = side_by_side([outcomes(branch) for branch in branches])
        assert [heads[0].item.index for heads in [await anext(together) for _ in range(5)]] == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match="broken"):
            await anext(together)


async def test_streams_with_different_rows_are_not_joined_by_position() -> None:
    with pytest.raises(AssertionError, match="same rows"):
        async for _ in side_by_side([outcomes(numbers(3)), outcomes(numbers(2))]):
            pass


async def test_leaving_early_leaves_no_task_behind() -> None:
    async with Tee(numbers(100), 2) as branches:
        streams = side_by_side([outcomes(branch) for branch in branches])
        await anext(streams)
        await streams.aclose()  # type: ignore[attr-defined]
    assert len(asyncio.all_tasks()) == 1


async def every(step: int, first: int, count: int = 30) -> AsyncIterator[Item]:
    for number in range(first, count, step):
        yield Item(number, {"id": str(number)})


async def test_different_items_of_several_stages_come_in_the_order_of_their_positions() -> None:
    streams = [outcomes(every(3, 0), 0.001), outcomes(every(3, 1)), outcomes(every(3, 2, 9)), outcomes(every(1, 99))]
    found = [outcome.item.index async for outcome in merged(streams)]
    assert found == [number for number in range(30) if number < 9 or number % 3 < 2]


async def test_when_one_of_merged_streams_breaks_the_others_are_closed() -> None:
    closed = False

    async def endless() -> AsyncIterator[Outcome]:
        nonlocal closed
        try:
            async for outcome in outcomes(every(2, 1, 10_000)):
                yield outcome
        finally:
            closed = True

    broken = outcomes(numbers(9, broken_at=5))
    with pytest.raises(ValueError, match="broken"):
        async for _ in merged([endless(), broken]):
            pass
    assert closed
