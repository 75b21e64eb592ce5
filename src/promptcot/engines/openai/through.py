"""A base class for engines with servers of their own: every call passes one place that provides a ready server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.records import Completion, Request, Score

T = TypeVar("T")


class Through(ABC):
    """Answers calls with the HTTP engine that `_ask` provides."""

    @abstractmethod
    async def _ask(self, call: Callable[[OpenAIEngine], Awaitable[T]]) -> T:
        """The result of a call, with a running server."""

    async def complete(self, request: Request) -> Completion:
        """The model's completion. Raises TransientError, RequestRefused or EngineUnusable, and the error if no server
        is available.
        """
        return await self._ask(lambda http: http.complete(request))

    async def score(self, prompt: str, continuation: str) -> Score:
        return await self._ask(lambda http: http.score(prompt, continuation))

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return await self._ask(lambda http: http.embed(texts))
