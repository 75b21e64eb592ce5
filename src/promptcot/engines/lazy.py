"""An engine that is opened by its first call, and can be opened again after it was closed.

A run that is answered by the journal therefore loads no model, and models that run in waves are in memory one at a
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from promptcot.engines.protocol import Engine
from promptcot.engines.wrapper import Wrapper


class LazyEngine(Wrapper):
    """A proxy for the engine that `open_engine` creates. Calls are journaled under `name`."""

    def __init__(self, name: str, open_engine: Callable[[], Engine]) -> None:
        super().__init__(None)
        self._name = name
        self._open_engine = open_engine
        self._opening = asyncio.Lock()

    @property
    def model(self) -> str:
        return self._name

    @property
    def note(self) -> str:
        """The opened engine's note, if any."""
        return getattr(self._engine, "note", "")

    async def inner(self) -> Engine:
        """The engine; raises the error of opening it, for each call that needs it."""
        if self._engine is not None:
            return self._engine
        async with self._opening:
            if self._engine is None:
                self._engine = await asyncio.to_thread(self._open_engine)
            return self._engine

    async def close(self) -> None:
        """Release the model, if it was opened. The next call opens it again."""
        async with self._opening:
            if self._engine is not None:
                engine, self._engine = self._engine, None
                await engine.close()
