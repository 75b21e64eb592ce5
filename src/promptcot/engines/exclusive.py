"""An engine that runs in one pass and is then closed, for models that do not fit on the machine together.

After its pass the engine sends no requests: finished calls are in the journal, and a call that failed fails again with
the same message. A later pass over the same rows therefore starts no server.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptcot.engines.protocol import Engine
from promptcot.engines.wrapper import Wrapper
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.records import Completion, Request


def exclusive(engines: Mapping[str, Engine]) -> dict[str, ExclusiveEngine]:
    """The same engines, each with its own pass per name: a failure in one pass is not a failure in another."""
    return {name: ExclusiveEngine(engine) for name, engine in engines.items()}


class ExclusiveEngine(Wrapper):
    """Wraps an engine. `acquire` begins its pass, in which all calls are made, and `release` ends it."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._failures: dict[str, EngineError] = {}
        self._released = False

    def acquire(self) -> None:
        """Begin a pass; calls that failed in an earlier one are repeated."""
        self._released = False

    async def release(self, following: ExclusiveEngine | None = None) -> None:
        """End the pass and release the model, unless the next pass uses it as well."""
        self._released = True
        if following is None or following._engine is not self._engine:
            await self.close()

    async def inner(self) -> Engine:
        if self._released:
            raise EngineUnusable(f"{self.model}: the model was released after its pass over the rows", "released")
        return await super().inner()

    async def complete(self, request: Request) -> Completion:
        key = request.key(self.model)
        if self._released:
            error = self._failures.get(key)
            raise RequestRefused(
                str(error or "the model was not called for this row during its pass"),
                error.cause if error else "not-asked",
            )
        try:
            reply = await super().complete(request)
        except (TransientError, RequestRefused) as error:
            self._failures[key] = error
            raise
        self._failures.pop(key, None)
        return reply
