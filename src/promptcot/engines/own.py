"""A user's own engine: opened by import path or passed as an object, and checked against the `Engine` protocol.

An exception that is not an `EngineError`, or a return value that is no completion, stops the run with the name of the
engine. An engine named by import path is opened again after it was closed, which models that run in waves need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.protocol import Engine
from promptcot.engines.wrapper import Wrapper
from promptcot.errors import EngineUnusable, InputError, PromptCoTError
from promptcot.records import Completion, Request

Opener = Callable[[], Awaitable[Engine]]


class OwnEngine(Wrapper):
    """A proxy for a user's own engine, called `name` in errors; `opener` opens it again."""

    def __init__(self, engine: Engine, name: str, opener: Opener | None = None) -> None:
        super().__init__(engine)
        self._name = name
        self._model = str(engine.model)
        self._opener = opener
        self._opening = asyncio.Lock()

    @property
    def model(self) -> str:
        return self._model

    async def inner(self) -> Engine:
        async with self._opening:
            if self._engine is None:
                assert self._opener is not None
                self._engine = await self._opener()
            return self._engine

    async def complete(self, request: Request) -> Completion:
        try:
            reply = await super().complete(request)
        except PromptCoTError:
            raise
        except (Exception, SystemExit) as error:
            raise EngineUnusable(f"{self._name}: it raised {type(error).__name__}: {error}", "own-engine") from error
        if not isinstance(reply, Completion):
            raise EngineUnusable(
                f"{self._name}: it returned {type(reply).__name__}; it must return a promptcot.Completion", "own-engine"
            )
        return reply

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors from the user's engine. Raises EngineUnusable if it returns anything but an array (texts, dim)."""
        try:
            vectors = np.asarray(await super().embed(texts), np.float32)
        except PromptCoTError:
            raise
        except (Exception, SystemExit) as error:
            raise EngineUnusable(f"{self._name}: `embed`: {type(error).__name__}: {error}", "own-engine") from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.size:
            shape = (
                f"an array of the shape {vectors.shape} for {len(texts)} texts; the shape must be (texts, dimensions)"
            )
            raise EngineUnusable(f"{self._name}: `embed` returned {shape}", "own-engine")
        return vectors

    async def close(self) -> None:
        """Release the model; an engine passed as an object stays open, since it belongs to the caller."""
        if self._engine is not None and self._opener is not None:
            engine, self._engine = self._engine, None
            try:
                await engine.close()
            except (Exception, SystemExit) as error:
                what = f"{self._name}: closing it raised {type(error).__name__}: {error}"
                raise EngineUnusable(what, "own-engine") from error


async def opened(name: str, opener: Opener) -> OwnEngine:
    """The engine that a function opens. Raises InputError if it returns none."""

    async def open_engine() -> Engine:
        try:
            engine = await opener()
        except PromptCoTError:
            raise
        except (Exception, SystemExit) as error:
            raise InputError(f"engine {name}: it cannot be opened: {type(error).__name__}: {error}") from error
        if not all(hasattr(engine, part) for part in ("model", "complete", "close")):
            raise InputError(
                f"engine {name}: it returned {type(engine).__name__}, which is not an engine (docs/api.md)"
            )
        return engine

    return OwnEngine(await open_engine(), name, open_engine)
