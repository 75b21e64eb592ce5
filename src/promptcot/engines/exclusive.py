"""An engine that has its turn and then makes room for another one, where two models do not fit on the machine together.

After its turn it answers from nothing: finished calls are in the journal, and a call that failed fails again with the
same words, so that a later pass over the same rows starts no server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.protocol import Engine
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.records import Completion, Request, Score


def turns(engines: Mapping[str, Engine]) -> dict[str, Turn]:
    """The same engines, each with its turn for each name: what failed under one is not what failed under another."""
    return {name: Turn(engine) for name, engine in engines.items()}


class Turn:
    """Wraps an engine. `take` begins a turn, in which everything is asked, and `park` ends it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._failures: dict[str, EngineError] = {}
        self._parked = False

    @property
    def model(self) -> str:
        return self._engine.model

    def take(self) -> None:
        """Begin a turn; what failed in an earlier one is asked again."""
        self._parked = False

    async def park(self, following: Turn | None = None) -> None:
        """End the turn and let go of the model, unless the following turn is its own as well."""
        self._parked = True
        if following is None or following._engine is not self._engine:
            await self._engine.close()

    async def complete(self, request: Request) -> Completion:
        key = request.key(self.model)
        if self._parked:
            error = self._failures.get(key)
            raise RequestRefused(str(error or "it was not asked in its turn"), error.cause if error else "not-asked")
        try:
            reply = await self._engine.complete(request)
        except (TransientError, RequestRefused) as error:
            self._failures[key] = error
            raise
        self._failures.pop(key, None)
        return reply

    async def score(self, prompt: str, continuation: str) -> Score:
        self._refuse()
        return await self._engine.score(prompt, continuation)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._refuse()
        return await self._engine.embed(texts)

    def _refuse(self) -> None:
        if self._parked:
            raise EngineUnusable(f"{self.model}: its turn is over", "parked")

    async def close(self) -> None:
        await self._engine.close()
