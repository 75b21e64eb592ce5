"""A semaphore whose limit may change while it is in use."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Slots:
    """Like `asyncio.Semaphore`, first come, first served; `limit` is evaluated whenever a slot is acquired or released,
    and by `admit`, which is called when the limit has grown.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a slot."""
        if not self._waiting and self._taken < self._limit():
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # got a slot and was cancelled at the same moment
                self.release()
            raise

    def release(self) -> None:
        """Release a slot."""
        self._taken -= 1
        self.admit()

    def admit(self) -> None:
        """Admit as many waiting tasks as there are free slots."""
        limit = self._limit()
        while self._waiting and self._taken < limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()
