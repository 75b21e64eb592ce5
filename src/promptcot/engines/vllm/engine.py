"""The engine that starts a vLLM server for a run, calls it over HTTP, and stops it with the run.

The server starts at the first call that the journal cannot answer. If it crashes it is restarted, a limited number of
times; the calls in flight fail with a transient error and are retried, while other replicas continue. `server` decides
how the server is run.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.openai.through import Through
from promptcot.engines.vllm.server import VllmServer
from promptcot.errors import EngineUnusable, TransientError

T = TypeVar("T")

_RESTARTS = 3
_WITHIN = 3600.0


class VllmEngine(Through):
    """An engine over our own server. After three crashes within an hour the run stops.

    `connect` creates the HTTP engine for the server's base URLs.
    """

    def __init__(self, server: VllmServer, name: str, connect: Callable[[Sequence[str]], OpenAIEngine]) -> None:
        self.server = server
        self._name = name
        self._connect = connect
        self._http: OpenAIEngine | None = None
        self._starting: asyncio.Task[None] | None = None
        self._crashes: deque[float] = deque()

    @property
    def model(self) -> str:
        return self._name

    async def close(self) -> None:
        """Stop the server. The next call would start it again."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
            if self._starting is not None and self._starting.cancelled():  # before it started
                self._starting = None
        if self._http is not None:
            await self._http.close()
            self._http = None
        await self.server.stop()

    async def _ask(self, call: Callable[[OpenAIEngine], Awaitable[T]]) -> T:
        http = await self._serving()
        try:
            return await call(http)
        except (TransientError, EngineUnusable) as error:
            refused = error.cause == "no-server"  # it answered when it was started
            if not refused and (self.server.alive or not isinstance(error, TransientError)):
                raise
            raise TransientError(f"vLLM's server ended during the call: {error}", "server ended") from error

    async def _serving(self) -> OpenAIEngine:
        """The HTTP engine, over all running replicas; waits for a start only if none is running."""
        if self._http is None or not self.server.alive:
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            running = [url for url in self.server.urls if url not in self.server.dead]
            if self._http is None or not running:
                await asyncio.shield(self._starting)
            else:
                self._http.transport.serve(running)
        assert self._http is not None
        return self._http

    async def _start(self) -> None:
        try:
            if self._http is not None:
                self._count_crash()
            urls = await self.server.start()
            if self._http is None:
                self._http = self._connect(urls)
            self._http.transport.serve(urls)
            self._starting = None
        except asyncio.CancelledError:
            self._starting = None
            raise

    def _count_crash(self) -> None:
        """Raises EngineUnusable when the server crashes too often."""
        now = time.monotonic()
        while self._crashes and now - self._crashes[0] > _WITHIN:
            self._crashes.popleft()
        if len(self._crashes) >= _RESTARTS:
            raise EngineUnusable(
                f"{self._name}: the server was restarted {_RESTARTS} times and ended again. {self.server.last_words}",
                "vllm-crashes",
            )
        self._crashes.append(now)
