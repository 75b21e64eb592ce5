"""A runner that records when the calls of each stage begin and end, for rates without start-up and waiting times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace

from promptcot.engines.protocol import Engine
from promptcot.engines.wrapper import Wrapper
from promptcot.records import Completion, Item, Outcome, Request
from promptcot.runners.protocol import Runner
from promptcot.stages.protocol import Stage
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal


@dataclass
class Watch:
    """Measurements of one stage's calls: the seconds from the first call to the last answer, and the tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    start_up: float | None = None
    """Start-up seconds of our own server; None if none was started."""
    _begun: float | None = None
    _ended: float = 0.0

    @property
    def seconds(self) -> float:
        return 0.0 if self._begun is None else max(self._ended - self._begun, 1e-3)

    @property
    def rate(self) -> float:
        """Completion tokens per second."""
        return self.completion_tokens / self.seconds if self.seconds else 0.0

    def saw(self, begun: float, ended: float, reply: Completion) -> None:
        """Count one more answer."""
        self.calls += 1
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0
        self._begun = begun if self._begun is None else min(begun, self._begun)
        self._ended = max(ended, self._ended)


@dataclass
class WatchingRunner:
    """Runs stages with `runner`; `watches` has the measurements, by stage. The engines of stages in `to_start` are
    started with an uncounted one-token call.
    """

    runner: Runner
    to_start: Collection[str] = ()
    watches: dict[str, Watch] = field(default_factory=dict)

    def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, counts: StageCounts
    ) -> AsyncIterator[Outcome]:
        """See the protocol."""
        watch = self.watches.setdefault(counts.name, Watch())  # a user's own stage may have any name
        watched = _Watched(engine, watch, counts.name in self.to_start)
        return self.runner.run(stage, items, watched, journal, counts)


class _Watched(Wrapper):
    """An engine whose calls are recorded."""

    def __init__(self, engine: Engine, watch: Watch, to_start: bool) -> None:
        super().__init__(engine)
        self._watch = watch
        self._to_start = to_start
        self._starting = asyncio.Lock()

    async def complete(self, request: Request) -> Completion:
        await self._start(request)
        begun = time.monotonic()
        reply = await super().complete(request)
        self._watch.saw(begun, time.monotonic(), reply)
        return reply

    async def _start(self, request: Request) -> None:
        async with self._starting:
            if self._to_start and self._watch.start_up is None:
                begun = time.monotonic()
                await super().complete(replace(request, sampling=replace(request.sampling, max_tokens=1)))
                self._watch.start_up = time.monotonic() - begun
