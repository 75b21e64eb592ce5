"""An engine that calls a function instead of a model, for tests and for trying a stage without a model."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.records import Completion, Request, Score

Script = Callable[[Request], Completion | str | Exception]


class ScriptedEngine:
    """Answers each request with the return value of `script`; an exception that it returns is raised.

    `latency` (seconds, for a request) is waited before the answer. `asked` counts the answers. Embeddings are unit
    vectors drawn from a hash of each text; scores are -1 per white-space token.
    """

    def __init__(
        self,
        script: Script,
        *,
        model: str = "scripted",
        latency: Callable[[Request], float] | None = None,
        dimensions: int = 8,
    ) -> None:
        self._script = script
        self._latency = latency
        self._dimensions = dimensions
        self.model = model
        self.asked = 0

    async def complete(self, request: Request) -> Completion:
        if self._latency is not None:
            await asyncio.sleep(self._latency(request))
        self.asked += 1
        answer = self._script(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return Completion(answer, "stop", len(request.prompt.split()), len(answer.split()))
        return answer

    async def score(self, prompt: str, continuation: str) -> Score:
        tokens = len(continuation.split())
        return Score(-float(tokens), tokens)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self._dimensions), np.float32)
        for place, text in enumerate(texts):
            seed = int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
            vector = np.random.default_rng(seed).standard_normal(self._dimensions)
            vectors[place] = vector / np.linalg.norm(vector)
        return vectors

    async def close(self) -> None:
        """Nothing to release."""
