"""Streams rows through the steps of a plan: a step starts while the step before it is still running.

Decides how steps are connected and which state is kept for rows in flight. Sinks decide where outcomes are written; the
runner schedules the calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from promptcot.engines.protocol import Engine
from promptcot.engines.vectors import Vectors
from promptcot.errors import StageFault
from promptcot.pipeline.plan import PlannedStep, groups_of
from promptcot.records import Dropped, Item, Outcome, Row
from promptcot.runners.faults import Faults
from promptcot.runners.protocol import Runner
from promptcot.runners.streams import Tee, closing, side_by_side
from promptcot.stages import called
from promptcot.stages.embed import Embed
from promptcot.stages.protocol import Step
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Cut

_Given = TypeVar("_Given")
_WITHOUT_A_PAUSE = 64
"""After this many rows, control returns to the event loop, so that a stop request is noticed even if no model is
called."""


class _Call(Protocol):
    """How a step is called: directly, or in a thread."""

    async def __call__(self, work: Callable[[], _Given]) -> _Given: ...


class Sink(Protocol):
    """Receives the outcomes of one step."""

    @property
    def counts(self) -> StageCounts: ...

    def take(self, outcome: Outcome) -> None:
        """One outcome, in the order of positions."""
        ...

    def append(self, outcome: Outcome) -> None:
        """The outcome of a row that was held back."""
        ...


@dataclass
class Counting:
    """A sink that only counts."""

    counts: StageCounts

    def take(self, outcome: Outcome) -> None:
        self.counts.rows_out += 1

    def append(self, outcome: Outcome) -> None:
        """Does nothing: the row was counted when it was taken."""


class Frontier:
    """Tracks which positions are decided, that is, dropped or through the last step that counts. The position up to
    which all are decided is recorded in `cut`, if there is one.

    A position is a row of the source. It may become several rows, and is decided when none of them, and none of any
    earlier position, is in flight: rows that are dropped or held back are known early, and would make the accepted
    share look too low. `started` and `decided` count positions; `on_decision` is called for each decided position.
    `held` is the position of rows that a step holds back until it has all rows.
    """

    def __init__(self, cut: Cut | None = None, on_decision: Callable[[], None] = lambda: None) -> None:
        self._cut = cut or Cut()
        self._on_decision = on_decision
        self._order: deque[int] = deque()
        self._under_way: dict[int, int] = {}
        self.started = self.decided = 0
        self.held: int | None = None

    def is_open(self, position: int) -> bool:
        """Whether more rows of a position may come, of which one is already through."""
        return position in self._under_way or position == self.held

    def enter(self, position: int) -> None:
        """A row of the source enters the flow."""
        self.started += 1
        self._order.append(position)
        self._under_way[position] = 1

    def change(self, position: int, rows: int) -> None:
        """Change the number of rows in flight of a position."""
        if not rows or position not in self._under_way:
            return
        self._under_way[position] += rows
        while self._order and not self._under_way[self._order[0]]:
            first = self._order.popleft()
            del self._under_way[first]
            if self._cut.last is None:
                self._cut.settled = first
            self.decided += 1
            self._on_decision()


@dataclass
class Flow:
    """Takes rows through steps. `engines`, `journals` and `sinks` are keyed by step name.

    `steps` holds the steps without a model, created for each flow, in `directory`.
    """

    engines: Mapping[str, Engine]
    journals: Mapping[str, Journal]
    sinks: Mapping[str, Sink]
    runner: Runner
    directory: Path
    frontier: Frontier = field(default_factory=Frontier)
    steps: dict[str, Step] = field(default_factory=dict)

    def through(
        self, planned: Sequence[PlannedStep], items: AsyncIterator[Item], last: PlannedStep | None = None
    ) -> AsyncIterator[Item]:
        """The rows that come through all of these steps; `last` is the last one of the whole run."""
        for together in groups_of(planned):
            if together[0].join is not None:
                items = self._joined(together, items, is_last=together[-1] is last)
            elif together[0].stage is not None:
                items = self._onward(self.asked(together[0], items))
            else:
                items = self._applied(together[0], items)
        return items

    async def asked(self, planned: PlannedStep, items: AsyncIterator[Item]) -> AsyncIterator[Outcome]:
        """The outcomes of one stage, after its sink has recorded them."""
        assert planned.stage is not None
        sink, name = self.sinks[planned.name], planned.name
        engine = self.engines[name]
        if isinstance(planned.stage, Embed):
            engine = Vectors(engine)
        running = self.runner.run(planned.stage, items, engine, self.journals[name], sink.counts)
        async with closing(running) as outcomes:
            async for outcome in outcomes:
                sink.take(outcome)
                yield outcome

    async def _onward(self, outcomes: AsyncIterator[Outcome]) -> AsyncIterator[Item]:
        """The rows of a stage's outcomes; rows that end here are removed from those in flight."""
        async with closing(outcomes) as stream:
            async for outcome in stream:
                rows = outcome.result if isinstance(outcome.result, Sequence) else ()
                self.frontier.change(outcome.item.index, len(rows) - 1)
                for row in rows:
                    yield Item(outcome.item.index, row)

    async def _joined(
        self, together: Sequence[PlannedStep], items: AsyncIterator[Item], *, is_last: bool
    ) -> AsyncIterator[Item]:
        """One row from the outcomes of several parallel stages, even if one produced nothing; the last step requires
        all.
        """
        join = together[0].join
        assert join is not None
        async with Tee(items, len(together)) as branches, AsyncExitStack() as stack:
            streams = [self.asked(step, branch) for step, branch in zip(together, branches, strict=True)]
            async for outcomes in await stack.enter_async_context(closing(side_by_side(streams))):
                item = outcomes[0].item
                made = {
                    step.name: outcome.result[0]
                    for step, outcome in zip(together, outcomes, strict=True)
                    if isinstance(outcome.result, Sequence) and outcome.result
                }
                if is_last and len(made) < len(together):
                    self.frontier.change(item.index, -1)
                else:
                    yield Item(item.index, join(item.row, made))

    async def _applied(self, planned: PlannedStep, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        """The rows that a step without a model returns, immediately or at the end."""
        step, sink, last = self._made(planned), self.sinks[planned.name], 0
        call = _in_thread if planned.in_thread else _at_once
        try:
            async with closing(self._outcomes(step, sink, items, call)) as outcomes:
                async for last, rows in outcomes:
                    self.frontier.change(last, len(rows) - 1)
                    for row in rows:
                        yield Item(last, row)
            with contextlib.closing(called.finish(step)) as left_over:
                while found := await call(lambda: [*islice(left_over, 1)]):
                    if (left := found[0]) is None:
                        await asyncio.sleep(0)
                        continue
                    if called.groups(step):  # it was not counted when its rows arrived
                        sink.counts.rows_in += 1
                        sink.counts.rows_out += 1
                    if isinstance(left, Dropped):
                        sink.append(Outcome(Item(last, left.row), left.drop))
                    else:
                        self.frontier.held = last
                        sink.append(Outcome(Item(last, left), [left]))
                        yield Item(last, left)
        finally:
            called.close(step)

    async def _outcomes(
        self, step: Step, sink: Sink, items: AsyncIterator[Item], call: _Call
    ) -> AsyncIterator[tuple[int, Sequence[Row]]]:
        """The rows that the step returns for each input row, with their position; the sink has recorded the outcome."""
        faults = Faults(step.name)
        async with closing(items) as stream:
            async for item in stream:
                if sink.counts.rows_in % _WITHOUT_A_PAUSE == 0:
                    await asyncio.sleep(0)
                outcome = await call(partial(_outcome, step, item, faults))
                rows = outcome.result if isinstance(outcome.result, Sequence) else None
                if rows or rows is None or not called.groups(step):
                    sink.counts.rows_in += 1
                    sink.take(outcome)
                yield item.index, rows or ()

    def _made(self, planned: PlannedStep) -> Step:
        assert planned.make is not None
        forget_states([planned], self.directory)
        step = planned.make(_state(planned, self.directory))
        self.steps[planned.name] = step
        return step


def forget_states(steps: Sequence[PlannedStep], directory: Path) -> None:
    """Remove the state that steps without a model keep on disk; it is rebuilt from the rows."""
    for step in steps:
        shutil.rmtree(_state(step, directory), ignore_errors=True)


def _state(step: PlannedStep, directory: Path) -> Path:
    return directory / f"{step.name}.state"


def _outcome(step: Step, item: Item, faults: Faults) -> Outcome:
    """The outcome of a row; a row on which the step fails is dropped. Raises SystematicFailure."""
    try:
        found = called.apply(step, item.row)
    except StageFault as fault:
        faults.saw(fault)
        return Outcome(item, called.left_out(fault))
    faults.saw(None)
    return Outcome(Item(item.index, found.row), found.drop) if isinstance(found, Dropped) else Outcome(item, found)


async def _at_once(work: Callable[[], _Given]) -> _Given:
    return work()


async def _in_thread(work: Callable[[], _Given]) -> _Given:
    """The result of work in a thread. On cancellation, waits for the thread: a step must not be closed at work."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # has been seen
        raise
