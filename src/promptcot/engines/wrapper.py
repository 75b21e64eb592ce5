"""An engine that forwards everything to another engine. Subclasses override single methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.protocol import Engine, servers_of
from promptcot.records import Completion, Request, Score


class Wrapper:
    """Passes every call on to the engine that `inner` returns; `model` is that engine's."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine

    async def inner(self) -> Engine:
        """The engine to call. Raises the errors of opening it."""
        assert self._engine is not None
        return self._engine

    @property
    def model(self) -> str:
        assert self._engine is not None
        return self._engine.model

    @property
    def servers(self) -> int:
        """The current number of servers."""
        return 1 if self._engine is None else servers_of(self._engine)

    async def complete(self, request: Request) -> Completion:
        return await (await self.inner()).complete(request)

    async def score(self, prompt: str, continuation: str) -> Score:
        return await (await self.inner()).score(prompt, continuation)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await (await self.inner()).embed(texts)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()
