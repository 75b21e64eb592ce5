"""The protocol of runners, which pass rows through a stage.

Runners handle concurrency, retries, journaling and the counting of calls, nothing else. They keep the order of the rows
and return exactly one outcome for each.
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
    """Passes rows through a stage."""

    def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, counts: StageCounts
    ) -> AsyncIterator[Outcome]:
        """One outcome per item, in the order of the items. Closing the iterator cancels what is in flight."""
        ...
