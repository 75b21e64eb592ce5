"""Runs a recipe whose models do not fit on the machine together, one model at a time.

Each model handles all rows in a pass of its own, and its replies go to the journal. The ordinary run then finds every
reply there. Decides the order of the passes and the number of rows in each. With a target, there are several waves of
passes.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from promptcot.core.shards import EVERYTHING, Part
from promptcot.core.statistics.target import rows_worth_starting
from promptcot.engines.exclusive import ExclusiveEngine
from promptcot.pipeline.flow import Counting, Flow
from promptcot.pipeline.plan import PlannedStep, asking
from promptcot.pipeline.run import load_spent
from promptcot.recipe.schema import Limits
from promptcot.records import Item, Row
from promptcot.runners.protocol import Runner
from promptcot.runners.streams import closing, stream_of
from promptcot.storage.atomic import locked
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal

_FIRST_WAVE = 256
_MARGIN = 1.2


def first_wave(limits: Limits) -> int:
    """The number of combinations in the first passes; fewer for a small target."""
    target = limits.target
    if not target:
        return limits.candidates
    return min(limits.candidates, max(_FIRST_WAVE, 2 * target), rows_worth_starting(target, 0, 0))


def next_wave(limits: Limits, wave: int, accepted: int) -> int | None:
    """The number of combinations in the next passes, after a wave with this many accepted; None when finished."""
    target = limits.target
    if target is None or accepted >= target or wave >= limits.candidates:
        return None
    growth = _MARGIN * target / accepted if accepted else 4.0
    return min(limits.candidates, math.ceil(wave * max(1.5, growth)))


@dataclass
class SequentialRun:
    """Runs one model after another. `counts` has the calls of the passes, by stage."""

    steps: Sequence[PlannedStep]
    directory: Path
    engines: Mapping[str, ExclusiveEngine]
    rows: Callable[[], Iterator[Row]]
    runner: Runner
    budget: Budget = field(default_factory=Budget)
    part: Part = EVERYTHING
    counts: dict[str, StageCounts] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = {step.name: StageCounts(step.name) for step in asking(self.steps)}
        self._loaded = False

    async def ask(self, wave: int) -> None:
        """Let every model process the first `wave` combinations. All models are released afterwards."""
        stages = asking(self.steps)
        with locked(self.directory / "lock"):
            if not self._loaded:
                self._load_spent(stages)
                self._loaded = True
            for place, step in enumerate(stages):
                engine = self.engines[step.name]
                engine.acquire()
                await self._pass(step, wave)
                await engine.release(*(self.engines[later.name] for later in stages[place + 1 : place + 2]))

    def _load_spent(self, stages: Sequence[PlannedStep]) -> None:
        """Initialize the budget with the earlier costs of all stages, not only of the next one."""
        for step in stages:
            with Journal(self.directory / f"{step.name}.journal") as journal:
                load_spent(journal, self.counts[step.name], step.asked.priced, self.budget)

    async def _pass(self, step: PlannedStep, wave: int) -> None:
        """Run one stage over the rows that reach it; replies of the stages before it are in their journals."""
        with ExitStack() as held:
            before = self._before(step)
            journals = {
                stage.name: held.enter_context(Journal(self.directory / f"{stage.name}.journal"))
                for stage in asking([*before, step])
            }
            sinks = {one.name: Counting(StageCounts(one.name)) for one in before}
            counts = self.counts[step.name]
            counts.rows_in = counts.rows_out = 0  # the counts continue from wave to wave, except for the rows
            counts.paid = journals[step.name].paid
            flow = Flow(self.engines, journals, {**sinks, step.name: Counting(counts)}, self.runner, self.directory)
            items = stream_of(self.part.items(islice(self.rows(), wave)))
            await self._ask(flow, before, step, items)

    async def _ask(
        self, flow: Flow, before: Sequence[PlannedStep], step: PlannedStep, items: AsyncIterator[Item]
    ) -> None:
        async with closing(flow.asked(step, flow.through(before, items))) as outcomes:
            async for _ in outcomes:
                pass

    def _before(self, step: PlannedStep) -> list[PlannedStep]:
        """The steps whose rows reach a stage; parallel steps are not among them."""
        place = [one.name for one in self.steps].index(step.name)
        rows = [one for one in self.steps[:place] if one.kind in ("stage", "step")]
        return [one for one in rows if step.join is None or one.join is not step.join]
