"""Streams between stages: one stream for several readers, several streams side by side, or several merged into one.

All streams are pulled and bounded: no reader runs ahead of the slowest one by more than a queue's length, and closing a
stream closes its source.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from heapq import heapify, heappop, heapreplace
from typing import Any, TypeVar

from promptcot.records import Item, Outcome, Row

T = TypeVar("T")


class Tee:
    """Passes every item of `source` to each of `count` branches. An async context manager around their readers."""

    def __init__(self, source: AsyncIterator[Item], count: int, ahead: int = 64) -> None:
        self._source = source
        self._queues: list[asyncio.Queue[Item | BaseException | None]] = [asyncio.Queue(ahead) for _ in range(count)]
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> list[AsyncIterator[Item]]:
        self._pump = asyncio.create_task(self._run())
        return [self._branch(queue) for queue in self._queues]

    async def __aexit__(self, *_: object) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump

    async def _run(self) -> None:
        end: BaseException | None = None
        try:
            async with closing(self._source) as items:
                async for item in items:
                    for queue in self._queues:
                        await queue.put(item)
        except Exception as error:
            end = error
        for queue in self._queues:
            await queue.put(end)

    async def _branch(self, queue: asyncio.Queue[Item | BaseException | None]) -> AsyncIterator[Item]:
        while (item := await queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item


async def side_by_side(streams: Sequence[AsyncIterator[Outcome]]) -> AsyncIterator[tuple[Outcome, ...]]:
    """The outcomes of several stages for the same items, item by item. All streams must carry the same items."""
    async with AsyncExitStack() as stack:
        for stream in streams:
            await stack.enter_async_context(closing(stream))
        while together := await _heads(streams):
            if len(together) < len(streams) or len({outcome.item.row["id"] for outcome in together}) > 1:
                raise AssertionError("the streams do not carry the same rows")
            yield together


async def merged(streams: Sequence[AsyncIterator[Outcome]]) -> AsyncIterator[Outcome]:
    """The outcomes of several stages with different items, in the order of their positions.

    Each stream has its own positions, in ascending order. All stages work at the same time.
    """
    async with AsyncExitStack() as stack:
        for stream in streams:
            await stack.enter_async_context(closing(stream))
        heads = [(head.item.index, place, head) for place, head in enumerate(await _one_of_each(streams)) if head]
        heapify(heads)
        while heads:
            _, place, head = heads[0]
            yield head
            following = await _next(streams[place])
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (following.item.index, place, following))


async def _heads(streams: Sequence[AsyncIterator[Outcome]]) -> tuple[Outcome, ...]:
    """The next outcome of each stream that has one."""
    return tuple(outcome for outcome in await _one_of_each(streams) if outcome is not None)


async def _one_of_each(streams: Sequence[AsyncIterator[Outcome]]) -> list[Outcome | None]:
    """The next outcome of each stream; None for a stream that has ended. If one raises, the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_next(stream)) for stream in streams]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _next(stream: AsyncIterator[T]) -> T | None:
    return await anext(stream, None)


async def next_before(stream: AsyncIterator[T], event: asyncio.Event) -> T | None:
    """The next item of a stream; None if the stream has ended or the event comes first, which ends the stream."""
    coming, happened = asyncio.create_task(_next(stream)), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({coming, happened}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        await cancel([coming, happened])


async def cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Closes a stream at the end of the block, if it can be closed."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


def in_order(rows: Iterable[Row]) -> Iterator[Item]:
    """Rows as items, numbered from 0."""
    return (Item(index, row) for index, row in enumerate(rows))


async def stream_of(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Items as a stream."""
    for item in items:
        yield item
