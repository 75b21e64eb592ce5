"""The engine protocol: sends a request to a model and returns its completion.

Engines do transport and batching only: no retries, no journal, no prompts. They raise the three kinds of `EngineError`
and never return a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from promptcot.records import Completion, Request, Score


class Engine(Protocol):
    """A model that accepts requests. Many coroutines may wait on one engine at the same time."""

    @property
    def model(self) -> str:
        """The name under which its calls are journaled; changes whenever the weights do."""
        ...

    async def complete(self, request: Request) -> Completion:
        """The model's completion. Raises TransientError, RequestRefused or EngineUnusable."""
        ...

    async def score(self, prompt: str, continuation: str) -> Score:
        """The log-probability of `continuation` after `prompt`. Raises EngineUnusable if it is not supported."""
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Array (texts, dim): the hidden state of each text's last token."""
        ...

    async def close(self) -> None:
        """Release the model; calls in flight are cancelled."""
        ...


def servers_of(engine: Engine) -> int:
    """The current number of servers, at least one; the useful number of concurrent calls is multiplied by it."""
    return max(1, getattr(engine, "servers", 1))
