"""What a runner is: whatever pushes rows through a stage.

Runners do concurrency, retries, journaling and the counting of calls, nothing else. They keep the order of the rows and
account for each of them exactly once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from promptcot.engines.protocol import Engine
from promptcot.journal import Journal
from promptcot.records import Drop, Row
from promptcot.stages.protocol import Stage
from promptcot.tally import Tally


@dataclass(frozen=True, slots=True)
class Item:
    """A row on its way, with the position of the source row from which it descends."""

    index: int
    row: Row


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be asked: the cause it is counted under, and what the engine said."""

    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item."""

    item: Item
    result: Sequence[Row] | Drop | Failed


class Runner(Protocol):
    """Pushes rows through a stage."""

    def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, tally: Tally
    ) -> AsyncIterator[Outcome]:
        """One outcome per item, in the order of the items. Closing the iterator cancels what is in flight."""
        ...
