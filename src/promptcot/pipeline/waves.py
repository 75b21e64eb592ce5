"""A run whose models do not fit on the machine together: each has its turn with all rows, and what it says waits in
the journal; then the ordinary run finds every reply there.

Decides the order of the turns and how many rows a turn has; the run itself is `pipeline`'s.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from promptcot.core.prompts import PromptSet
from promptcot.engines.exclusive import Turn
from promptcot.pipeline.run import asking_stages, model_of, numbered, open_books
from promptcot.recipe.schema import Recipe
from promptcot.records import Outcome, Row
from promptcot.runners.protocol import Runner
from promptcot.runners.streams import closing, items_of
from promptcot.stages.protocol import Stage
from promptcot.storage.atomic import locked
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal

_FIRST_WAVE = 256
_MARGIN = 1.2


def first_wave(recipe: Recipe) -> int:
    """How many combinations the models see in their first turns."""
    target = recipe.run.target
    return min(recipe.run.candidates, max(_FIRST_WAVE, 2 * target)) if target else recipe.run.candidates


def next_wave(recipe: Recipe, wave: int, accepted: int) -> int | None:
    """How many in the next turns, when a wave gave so many accepted problems; None when that was enough, or all."""
    target = recipe.run.target
    if target is None or accepted >= target or wave >= recipe.run.candidates:
        return None
    growth = _MARGIN * target / accepted if accepted else 4.0
    return min(recipe.run.candidates, math.ceil(wave * max(1.5, growth)))


@dataclass
class Turns:
    """Gives each engine its turn. `stage_counts` has what was asked in them, by stage."""

    recipe: Recipe
    directory: Path
    prompts: PromptSet
    engines: Mapping[str, Turn]
    combinations: Callable[[], Iterator[Row]]
    runner: Runner
    budget: Budget = field(default_factory=Budget)
    stage_counts: dict[str, StageCounts] = field(init=False)

    def __post_init__(self) -> None:
        self._stages = asking_stages(self.recipe, self.prompts)
        self.stage_counts = {stage.name: StageCounts(stage.name) for stage in self._stages}
        self._opened = False

    async def ask(self, wave: int) -> None:
        """Have every model asked about the first `wave` combinations. All of them are parked afterwards."""
        with locked(self.directory / "lock"):
            if not self._opened:
                self._open_books()
                self._opened = True
            for place, stage in enumerate(self._stages):
                engine = self.engines[stage.name]
                engine.take()
                await self._pass(self._stages[:1] if place == 0 else [self._stages[0], stage], wave)
                following = [self.engines[later.name] for later in self._stages[place + 1 : place + 2]]
                await engine.park(*following)

    def _open_books(self) -> None:
        """Let the budget begin with what earlier processes paid for all stages, not only for the one that is next."""
        for stage in self._stages:
            with Journal(self.directory / f"{stage.name}.journal") as journal:
                open_books(
                    journal, self.stage_counts[stage.name], model_of(self.recipe, stage.name).priced, self.budget
                )

    async def _pass(self, stages: Sequence[Stage], wave: int) -> None:
        """Push the rows through the last of these stages; what the one before it said is in its journal."""
        with ExitStack() as held:
            items = numbered(islice(self.combinations(), wave))
            for stage in stages:
                journal = held.enter_context(Journal(self.directory / f"{stage.name}.journal"))
                counts = self._counts_of(stage, is_last=stage is stages[-1])
                if stage is stages[-1]:
                    counts.paid = journal.paid
                outcomes = self.runner.run(stage, items, self.engines[stage.name], journal, counts)
                counted = _counting(outcomes, counts)
                items = items_of(counted)
            async with closing(counted) as last:
                async for _ in last:
                    pass

    def _counts_of(self, stage: Stage, *, is_last: bool) -> StageCounts:
        """The books of a stage's own turn go on from wave to wave; one that is only read again has none."""
        counts = self.stage_counts[stage.name]
        if not is_last:
            return StageCounts(stage.name)
        counts.rows_in = counts.rows_out = 0
        return counts


async def _counting(outcomes: AsyncIterator[Outcome], counts: StageCounts) -> AsyncIterator[Outcome]:
    async with closing(outcomes) as stream:
        async for outcome in stream:
            counts.rows_out += 1
            yield outcome
