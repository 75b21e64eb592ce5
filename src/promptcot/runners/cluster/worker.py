"""What runs on the cluster: an actor that owns an engine and takes blocks of rows through a stage.

The work on a block is the local runner's. Several blocks are under way at once in one event loop, so that the slow rows
of one leave no slot idle; all of them share the engine's slots. Finished calls are kept before the block goes back.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from promptcot.engines.protocol import Engine
from promptcot.errors import EngineUnusable, PromptCoTError
from promptcot.records import Completion, Drop, Failed, Item, Outcome, Request
from promptcot.runners.cluster.board import COUNTS, SUMS
from promptcot.runners.cluster.parts import Calls, Counts, pack
from promptcot.runners.health import Health
from promptcot.runners.local import LocalRunner
from promptcot.stages.protocol import Stage
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Found, Journal, fitting, key_of, line_of
from promptcot.storage.json import loads

T = TypeVar("T")

_REPORT_EVERY = 1.0
_KEEP_EVERY = 10.0
_RARELY = (20_000, 20, 20)

OpenEngine = Callable[[Path], Awaitable[Engine]]
"""Opens an engine; its servers write their logs into the folder."""


@dataclass(frozen=True)
class Work:
    """What the workers of a pass are told. `model` is what the driver's engine calls itself; `logs` is a local path.
    `calls` keeps finished calls. `proven`: rows have come out of this work before."""

    stage: Stage
    open_engine: OpenEngine
    model: str
    concurrency: int
    max_retries: int
    price: Any
    journal: Path
    logs: Path
    calls: Calls
    proven: bool = False


class Worker:
    """The actor. `board` is where it tells how far it is."""

    def __init__(self, work: Work, board: Any) -> None:
        import ray

        gc.freeze()  # Ray's own objects stay; to look for cycles among them and the rows took a third of the CPU
        gc.set_threshold(*_RARELY)
        self._work = work
        self._board = board
        self._name = ray.get_runtime_context().get_actor_id()
        self._stage_counts: dict[int, StageCounts] = {}
        self._past: Counter[str] = Counter()
        self._finished = 0
        self._slots = asyncio.Semaphore(work.concurrency)
        self._health = _SharedHealth(work.stage.name, work.journal, self._anyone_succeeded)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._engine = self._in_loop(self._open())
        self._in_loop(self._start_reports())

    def __call__(self, block: pa.Table) -> pa.Table:
        """A block of `ROWS` becomes one of `PARTS`. Raises what is not one row's fault."""
        try:
            return self._in_loop(self._through(block))
        except PromptCoTError as error:
            self._board.stop.remote(error)
            raise

    def __del__(self) -> None:
        with suppress(Exception):
            self._in_loop(self._engine.close(), timeout=10)

    def _in_loop(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def _open(self) -> Engine:
        try:
            engine = await self._work.open_engine(self._work.logs / self._name)
            if engine.model != self._work.model:
                raise EngineUnusable(
                    f"a worker's model is {engine.model}, the driver's {self._work.model}: the same path must hold the "
                    "same model on all machines",
                    "another-model",
                )
        except PromptCoTError as error:
            await self._board.stop.remote(error)
            raise
        return engine

    async def _start_reports(self) -> None:
        self._reporter = asyncio.create_task(_report(weakref.ref(self), self._board, self._name))

    def _anyone_succeeded(self) -> bool:
        """Whether any row of this work came out so far, here or elsewhere."""
        import ray

        told, _ = ray.get(self._board.read.remote(), timeout=_REPORT_EVERY * 10)
        return self._work.proven or any(worker.get("rows_out") for worker in told.values())

    def now(self) -> dict[str, int]:
        totals = sum(map(_totals, self._stage_counts.values()), self._past)
        return {**totals, "blocks": len(self._stage_counts), "finished": self._finished}

    async def _through(self, block: pa.Table) -> pa.Table:
        ids, indices, lines, known = (column.to_pylist() for column in block.columns)
        items = [Item(index, loads(line)) for index, line in zip(indices, lines, strict=True)]
        work = self._work
        before = await asyncio.to_thread(work.calls.of_block, ids[0])  # the block was lost with a node
        journal = Carried(work.journal, [*known, *map(work.calls.read, before)])
        tally = self._stage_counts[id(block)] = StageCounts(work.stage.name, price=work.price)
        runner = LocalRunner(work.concurrency, max_retries=work.max_retries, health=self._health, slots=self._slots)
        outcomes, ended = [], asyncio.Event()
        keeper = asyncio.create_task(self._keep(journal, ids[0], len(before), ended))
        try:
            async for outcome in runner.run(work.stage, _stream(items), self._engine, journal, tally):
                outcomes.append(outcome)
                _count(outcome, tally)
        finally:
            self._past += _totals(self._stage_counts.pop(id(block)))
            self._finished += 1
            ended.set()
            await keeper
        return pack(outcomes, ids, Counts.of(tally))

    async def _keep(self, journal: Carried, first: int, attempt: int, ended: asyncio.Event) -> None:
        """Keep the finished calls of a block: now and then, and when it has ended."""
        kept, last = 0, False
        while not last:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _KEEP_EVERY)
            last = ended.is_set()
            if new := journal.new[kept:]:
                await asyncio.to_thread(self._work.calls.add, first, attempt, new)
                kept, attempt = kept + len(new), attempt + 1


async def _report(worker: weakref.ref[Worker], board: Any, name: str) -> None:
    """Tell the board what is new, as long as the worker is there: to hold it here would keep its server alive."""
    told: dict[str, int] = {}
    while (there := worker()) is not None:
        now = there.now()
        del there
        if now != told:
            told = now
            board.tell.remote(name, now)
        await asyncio.sleep(_REPORT_EVERY)


class _SharedHealth(Health):
    """A worker whose first rows all failed has bad rows, and not a bad model, where any row of the pass came out."""

    def __init__(self, stage: str, journal: Path, anyone_succeeded: Callable[[], bool]) -> None:
        super().__init__(stage, journal)
        self._anyone_succeeded = anyone_succeeded

    def _stop(self, bad: int, seen: int, words: str) -> None:
        if seen > self._FIRST_LOOK or not self._anyone_succeeded():
            super()._stop(bad, seen, words)


def _count(outcome: Outcome, tally: StageCounts) -> None:
    if isinstance(outcome.result, Drop):
        tally.dropped[outcome.result.reason] += 1
    elif isinstance(outcome.result, Failed):
        tally.failed[outcome.result.cause] += 1
    else:
        tally.rows_out += 1


def _totals(tally: StageCounts) -> Counter[str]:
    """What the board shows of a tally."""
    counts = Counter({name: getattr(tally, name) for name in COUNTS})
    sums = {name: getattr(tally, name).total() for name in SUMS}
    return counts + Counter(sums)


class Carried(Journal):
    """The journal of one block: finds the calls that came along with its rows, and collects the `new` ones.

    `directory` is where the driver's journal is, for messages.
    """

    def __init__(self, directory: Path, known: Iterable[bytes]) -> None:
        super().__init__(directory)
        self.new: list[bytes] = []
        self._known: dict[str, list[bytes]] = defaultdict(list)
        for lines in known:
            for line in lines.splitlines(keepends=True):
                self._known[key_of(line)].append(line)

    def find(self, key: str, request: Request) -> Found:
        return fitting(self._known.get(key, ()), request)

    def append(
        self, key: str, request: Request, reply: Completion, *, model: str = "", cost: float | None = None
    ) -> None:
        self.new.append(line_of(key, request, reply, model=model, cost=cost))

    def sync(self) -> None:
        """What is on disk is decided by whoever writes the block."""


async def _stream(items: Sequence[Item]) -> AsyncIterator[Item]:
    for item in items:
        yield item
