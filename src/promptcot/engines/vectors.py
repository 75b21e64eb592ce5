"""An engine whose replies are vectors: serves the requests of `stages.embed` through another engine's `embed`.

Vectors are therefore journaled, resumed, retried and counted like any other reply. Concurrent requests are embedded
together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from promptcot.core.overlap.vectors import as_text
from promptcot.engines.opening import TEXTS_AT_ONCE
from promptcot.engines.protocol import Engine
from promptcot.engines.wrapper import Wrapper
from promptcot.errors import EngineUnusable, RequestRefused
from promptcot.records import Completion, Request

_Asked = tuple[str, "asyncio.Future[Completion]"]


class Vectors(Wrapper):
    """Answers `complete` with the vector of the prompt, as text."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._waiting: list[_Asked] = []
        self._working: asyncio.Task[None] | None = None

    async def complete(self, request: Request) -> Completion:
        """The vector of the prompt. Raises the errors of embedding it."""
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append((request.prompt, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        await asyncio.sleep(0)  # joins other waiting requests
        while self._waiting:
            batch, self._waiting = self._waiting[:TEXTS_AT_ONCE], self._waiting[TEXTS_AT_ONCE:]
            if asked := [one for one in batch if not one[1].done()]:
                await self._answer(asked)

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        """Return the vector of each text; if the engine rejects one of several texts, each is sent alone."""
        try:
            texts = await self._embedded(batch)
        except Exception as error:
            if isinstance(error, RequestRefused) and len(batch) > 1:
                for asked in batch:
                    await self._answer([asked])
            else:
                _settle(batch, [error] * len(batch))
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        else:
            _settle(batch, [Completion(text) for text in texts])

    async def _embedded(self, batch: Sequence[_Asked]) -> list[str]:
        engine = await self.inner()
        vectors = await engine.embed([text for text, _ in batch])
        if len(vectors) != len(batch):
            raise EngineUnusable(f"{self.model}: returned {len(vectors)} vectors for {len(batch)} texts")
        return [as_text(vector) for vector in vectors]


def _settle(batch: Sequence[_Asked], results: Sequence[Completion | Exception]) -> None:
    """Resolve every waiting call with a reply, or with the error."""
    for (_, answer), one in zip(batch, results, strict=True):
        if answer.done():
            continue
        if isinstance(one, Exception):
            answer.set_exception(one)
        else:
            answer.set_result(one)
