"""When a call is retried, and after which delay. No other module decides this."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.protocol import Engine
from promptcot.engines.wrapper import Wrapper
from promptcot.errors import LIMITED, TransientError
from promptcot.records import Completion, Request, Score, derive_seed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential back-off with jitter: `tries` calls in all, `base` seconds doubled up to `longest`.

    Ten tries bridge about three minutes without a server. A call rejected by a rate limit does not use up a try while
    other calls succeed.
    """

    tries: int = 10
    base: float = 0.5
    longest: float = 60.0

    def delay(self, failures: int, error: TransientError, seed: int, free: int = 0) -> float | None:
        """Seconds to wait after the `failures`-th failure (from 1), or None when it was the last try; `free` failures
        did not use up a try.

        The jitter covers the upper half and is drawn from the request's seed, so that a run can be repeated. The delay
        is never shorter than the server asked for.
        """
        if failures - free >= self.tries:
            return None
        jitter = derive_seed(seed, "back-off", failures) / 2**31
        delay = min(self.longest, self.base * 2.0 ** min(failures - 1, 60)) * (0.5 + jitter / 2)
        return max(delay, error.retry_after or 0.0)


class Patient(Wrapper):
    """An engine with retries, for steps that are not stages and therefore have no runner.

    Texts to embed are split into batches of `texts_at_once`, so that a failure repeats only its batch; None: one batch.
    """

    def __init__(self, engine: Engine, texts_at_once: int | None = None, retries: Retries | None = None) -> None:
        super().__init__(engine)
        self._texts_at_once = texts_at_once
        self._retries = retries or Retries()
        self._answered = 0

    async def complete(self, request: Request) -> Completion:
        return await self._persist(lambda: super(Patient, self).complete(request))

    async def score(self, prompt: str, continuation: str) -> Score:
        return await self._persist(lambda: super(Patient, self).score(prompt, continuation))

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        size = self._texts_at_once or max(1, len(texts))
        parts = [texts[first : first + size] for first in range(0, len(texts), size)]
        return np.concatenate(await asyncio.gather(*map(self._embed, parts)))

    async def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._persist(lambda: super(Patient, self).embed(texts))

    async def _persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        failures = free = 0
        answered = self._answered
        while True:
            try:
                reply = await ask()
                self._answered += 1
                return reply
            except TransientError as error:
                failures += 1
                free += error.cause == LIMITED and self._answered > answered
                answered = self._answered
                delay = self._retries.delay(failures, error, failures, free)
                if delay is None:
                    raise
            await asyncio.sleep(delay)
