"""What a runner is: whatever pushes rows through a stage.

Runners do concurrency, retries, journaling and the counting of calls, nothing else. They keep the order of the rows and
account for each of them exactly once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from promptcot.engines.protocol import Engine
from promptcot.records import Item, Outcome
from promptcot.stages.protocol import Stage
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal


class Runner(Protocol):
    """Pushes rows through a stage."""

    def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, counts: StageCounts
    ) -> AsyncIterator[Outcome]:
        """One outcome per item, in the order of the items. Closing the iterator cancels what is in flight."""
        ...
