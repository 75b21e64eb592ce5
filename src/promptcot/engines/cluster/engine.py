"""The engine of a model whose servers run on a cluster: one engine, with addresses that change over time.

`placer` starts the servers. Calls wait here while no server is running. A call in flight on a server that is lost fails
with a transient error, so the runner retries it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.openai.through import Through
from promptcot.errors import EngineUnusable, PromptCoTError, TransientError

T = TypeVar("T")

_NOT_OURS = {"no-server", "unauthorised", "not-a-server", "not-found", "unknown-model"}
"""The error of a call when another service now answers at a server's address."""


class PlacedEngine(Through):
    """An engine over servers that `placer` starts and stops. `wake` is called when there is a call and no server.

    `connect` creates the HTTP engine, without addresses; it is created and used in one event loop.
    """

    def __init__(self, name: str, connect: Callable[[], OpenAIEngine], wake: Callable[[], None]) -> None:
        self._name, self._connect, self._wake = name, connect, wake
        self._http: OpenAIEngine | None = None
        self._urls: list[str] = []
        self._changed = asyncio.Event()
        self._broken: PromptCoTError | None = None
        self.asked = False
        """Whether any call was ever made."""
        self.calls = 0
        """Calls in flight, including those that wait for a server."""
        self.idle_since = time.monotonic()
        self.closed = False
        """Whether no more calls are expected; a call resets it."""

    @property
    def model(self) -> str:
        return self._name

    @property
    def servers(self) -> int:
        """The number of servers that answer now."""
        return len(self._urls)

    async def close(self) -> None:
        """Close the connections. The placer stops the servers when others need their room, or at the end."""
        self.closed = True
        if self._http is not None:
            await self._http.close()
            self._http = None

    def add(self, *urls: str) -> None:
        """Add servers that answer."""
        self._serve([*self._urls, *urls])

    def leave(self, *urls: str) -> None:
        """Remove servers from scheduling; their calls in flight continue."""
        self._serve([url for url in self._urls if url not in urls])

    def lose(self, *urls: str) -> None:
        """Remove lost servers; their calls in flight fail."""
        self.leave(*urls)
        if self._http is not None:
            for url in urls:
                self._http.transport.lose(url)

    def calls_at(self, url: str) -> int:
        """The number of calls in flight at a server."""
        return self._http.transport.calls_at(url) if self._http is not None else 0

    def give_up(self, error: PromptCoTError) -> None:
        """No server is available: every call fails with this error."""
        self._broken = error
        self._tell()

    def _serve(self, urls: list[str]) -> None:
        self._urls = urls
        if self._http is not None:
            self._http.transport.serve(urls)
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _ask(self, call: Callable[[OpenAIEngine], Awaitable[T]]) -> T:
        self.asked, self.closed = True, False
        self.calls += 1
        try:
            return await call(await self._serving())
        except (TransientError, EngineUnusable) as error:
            if error.cause == "connection" or (isinstance(error, EngineUnusable) and error.cause in _NOT_OURS):
                raise TransientError(f"{self._name}: a server was lost: {error}", "server ended") from error
            raise
        finally:
            self.calls -= 1
            if not self.calls:
                self.idle_since = time.monotonic()

    async def _serving(self) -> OpenAIEngine:
        """The HTTP engine, as soon as a server runs."""
        while self._broken is None and not self._urls:
            changed = self._changed
            self._wake()
            await changed.wait()
        if self._broken is not None:
            raise self._broken
        if self._http is None:
            self._http = self._connect()
            self._http.transport.serve(self._urls)
        return self._http
