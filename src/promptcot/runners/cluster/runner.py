"""The runner of a cluster: a pass sends the rows of a stage over it with Ray Data, and then their outcomes are handed
out in the order of the rows, like any runner's.

`ask` is the pass: rows are written down in blocks, workers (`worker`) take the blocks through the stage, Ray Data
writes what they give as parts and notes each row in its checkpoint, so that the same pass, begun again, skips the rows
that are done. `run` reads the parts. Between the two, finished calls go into the journal, where the local runner would
find them. Decides the flow of blocks; where they lie, what is in them and who works on them is in `ray_*`.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.data.checkpoint import CheckpointConfig, IdColumnCheckpointManager

from promptcot.engines.protocol import Engine
from promptcot.errors import PromptCoTError, StorageError
from promptcot.records import Item, Outcome
from promptcot.runners.cluster.board import Board, limit, show
from promptcot.runners.cluster.nodes import Cluster, ClusterUnusable, Need, place
from promptcot.runners.cluster.parts import Calls, Counts, Parts, id_of
from promptcot.runners.cluster.rows import Spool, together
from promptcot.runners.cluster.worker import OpenEngine, Work, Worker
from promptcot.runners.streams import closing
from promptcot.stages.protocol import Stage
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.json import dumps
from promptcot.storage.remote import Folder

BLOCKS_IN_FLIGHT = 2
_LOOK_EVERY, _LIST_EVERY, _ANSWER = 1.0, 10.0, 120.0
"""Seconds between looks at the board and at the parts, and until a board that does not answer is lost."""
_WORKERS_OF_A_WRITER = 8
_WRITER_CPUS = 0.1
"""What a worker leaves of its CPUs, so that there is room to write what it gives. Nodes without CPUs write nothing."""


@dataclass(frozen=True)
class Spread:
    """How a pass is spread: workers between `least` and `most`, what each needs, its calls at a time, and how many rows
    it holds, its `batch`; where there are many rows, up to `growth` times as many."""

    least: int
    most: int
    need: Need
    concurrency: int
    batch: int
    growth: int = 1

    @property
    def block(self) -> int:
        """Rows of a block; a batch is this many blocks under way at once."""
        return max(1, self.batch // BLOCKS_IN_FLIGHT)


@dataclass(frozen=True)
class Crew:
    """Who answers in a pass. `engine` is never asked: it says what the calls are known by; workers open their own."""

    engine: Engine
    open_engine: OpenEngine
    spread: Spread


@dataclass
class RayRunner:
    """Runs stages on a cluster. `folder` is where passes do their work; the driver and all workers see it.

    `note` says what limits the rate, while a pass is under way.
    """

    cluster: Cluster
    folder: Folder
    max_retries: int = 0
    note: str = field(default="", init=False)

    async def ask(
        self, stage: Stage, items: AsyncIterator[Item], crew: Crew, journal: Journal, tally: StageCounts
    ) -> None:
        """Have a crew take all items through the stage; what was done before is left out.

        Finished calls are in the journal afterwards, also when this raises. `tally` counts what was asked now.
        """
        folder = self.folder / stage.name
        parts, calls = Parts(folder), Calls(folder / "calls")
        for kept in (parts.folder, calls.folder):
            kept.make()
        absorbed = self._recover(stage, journal, calls)
        earlier = parts.names()
        started, before = time.monotonic(), Counts.of(tally)
        try:
            done = parts.ids(earlier)
            spool = Spool(folder, crew.spread.block, done, _finished_calls(stage, crew, journal, self.max_retries))
            async with closing(items) as stream:
                async for item in stream:
                    spool.add(item)
                    tally.rows_in += 1
            spool.close()
            if spool.blocks:
                logs = Path(folder.path if folder.is_local else tempfile.gettempdir()) / "logs"
                work = Work(
                    stage,
                    crew.open_engine,
                    crew.engine.model,
                    crew.spread.concurrency,
                    self.max_retries,
                    tally.price,
                    journal.directory,
                    logs,
                    calls,
                    proven=len(done) > 0,
                )
                await self._pass(_Pass(work, spool, parts, crew.spread), tally, len(done), len(earlier))
        finally:
            self.note = ""
            _clear(tally)
            before.add_to(tally)
            for name in calls.names():
                if name not in absorbed:
                    journal.absorb(calls.read(name))
            for counts in parts.counts([name for name in parts.names() if name not in set(earlier)]):
                counts.add_to(tally)
            tally.seconds += time.monotonic() - started

    async def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, tally: StageCounts
    ) -> AsyncIterator[Outcome]:
        """The outcomes of the passes before, in the order of the items. Every call counts as reused.

        Raises StorageError where an item was in no pass.
        """
        parts = Parts(self.folder / stage.name)
        for counts in parts.counts(parts.names()):
            tally.reused += counts.calls + counts.reused
        done = parts.in_order()
        latest = next(done, None)
        async with closing(items) as stream:
            async for item in stream:
                tally.rows_in += 1
                known = id_of(item.index, dumps(item.row))
                while latest is not None and latest.position <= item.index and latest.id != known:
                    latest = next(done, None)
                if latest is None or latest.id != known:
                    name = item.row.get("id")
                    raise StorageError(f"{parts.folder.path}: row {name} is not there; run the same command again")
                yield latest.outcome(item)

    def _recover(self, stage: Stage, journal: Journal, ours: Calls) -> set[str]:
        """Take into the journal what earlier passes left behind, also those by other recipes; which of `ours`."""
        left = [Calls(work / stage.name / "calls") for work in self.folder.parent.folders()]
        found = [(calls, name) for calls in left for name in calls.names()]
        for calls, name in found:
            journal.absorb(calls.read(name))
        if found:
            journal.index_again()
        return {name for calls, name in found if calls == ours}

    async def _pass(self, work: _Pass, tally: StageCounts, done: int, earlier: int) -> None:
        """Let it flow in a thread, and watch it. Raises what stopped it."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        spread = work.spread
        least, most, held = place(self.cluster, spread.need, spread.least, spread.most)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()
        writers = math.ceil(max(least, most) / _WORKERS_OF_A_WRITER)
        thread = _Thread(lambda: work.flow(board, least, max(least, most), writers))
        thread.start()
        written, listed = 0, time.monotonic()
        try:
            while thread.is_alive():
                await asyncio.to_thread(thread.join, _LOOK_EVERY)
                told, error = await self._look(board)
                if error is not None:
                    raise error
                show(told, tally)
                tally.rows_out += done
                if time.monotonic() - listed > _LIST_EVERY:  # thousands of parts take a while to list
                    written = len(await asyncio.to_thread(work.parts.names)) - earlier
                    listed = time.monotonic()
                self.note = limit(told, spread.least if held else least, BLOCKS_IN_FLIGHT, written, held)
            if thread.error is not None:
                _, error = await self._look(board)
                raise error or _translated(thread.error)
        except BaseException:
            self.cluster.leave()  # ends the workers, and with them the thread
            raise

    async def _look(self, board: Any) -> tuple[Any, PromptCoTError | None]:
        import ray

        try:
            found: tuple[Any, PromptCoTError | None] = await asyncio.to_thread(
                lambda: ray.get(board.read.remote(), timeout=_ANSWER)
            )
        except ray.exceptions.RayError as error:
            raise _translated(error) from error
        return found


@dataclass(frozen=True)
class _Pass:
    """One pass: what is done, to which rows, and where it goes."""

    work: Work
    spool: Spool
    parts: Parts
    spread: Spread

    def flow(self, board: Any, least: int, most: int, writers: int) -> None:
        """Rows to workers to parts. Returns when all are written."""
        import ray
        from ray.data import ActorPoolStrategy

        context = ray.data.DataContext.get_current()
        context.checkpoint_config = _checkpoints(self.parts.checkpoint)
        takes = {"num_cpus": self.spread.need.cpus - _WRITER_CPUS, "num_gpus": self.spread.need.gpus}
        blocks = together(self.spool.blocks, most, self.spread.growth)
        rows = ray.data.read_datasource(self.spool.source(blocks), override_num_blocks=len(blocks), **takes)
        workers = ActorPoolStrategy(
            min_size=least,
            max_size=most,
            max_tasks_in_flight_per_actor=BLOCKS_IN_FLIGHT + 1,  # the next one is there before it is begun
            max_concurrent_calls_per_actor=BLOCKS_IN_FLIGHT,
            enable_true_multi_threading=True,
        )
        done = rows.map_batches(
            Worker,
            fn_constructor_args=(self.work, board),
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            compute=workers,
            **takes,
        )
        folder = self.parts.folder
        done.write_parquet(
            folder.path, filesystem=folder.system, ray_remote_args={"num_cpus": _WRITER_CPUS}, concurrency=writers
        )


class _Thread(threading.Thread):
    """Runs `work`; keeps its error. It does not hold up the end of the program."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.error = error


def _checkpoints(folder: Folder) -> Any:
    """Ray Data's own checkpoints, one id for each row; they stay until the whole work is done."""
    return CheckpointConfig(
        id_column="id",
        checkpoint_path=folder.path,
        override_filesystem=folder.system,
        delete_checkpoint_on_success=False,
        checkpoint_manager_cls=_LeftOutAlready,
    )


class _LeftOutAlready(IdColumnCheckpointManager):  # type: ignore[misc]
    """Tells Ray Data that nothing has to be filtered: rows that are done were not written down again."""

    def load_checkpoint(self, *_: Any, **__: Any) -> tuple[None, int]:
        return None, 0


def _translated(error: Exception) -> Exception:
    """What Ray says in many lines, in ours."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PromptCoTError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    last = [line for line in str(error).splitlines() if line.strip()][-1:]
    return ClusterUnusable(
        f"the work on the cluster ended: {''.join(last) or type(error).__name__}. Finished rows are kept: run the same "
        "command again. Ray's logs say more (/tmp/ray/session_latest/logs)"
    )


def _clear(tally: StageCounts) -> None:
    """Forget what the board told: the parts know it exactly."""
    fresh = StageCounts(tally.name, price=tally.price, paid=tally.paid)
    for name in ("rows_out", "calls", "reused", "prompt_tokens", "completion_tokens"):
        setattr(tally, name, getattr(fresh, name))
    for counter in (tally.dropped, tally.failed, tally.asked_again):
        counter.clear()


def _finished_calls(stage: Stage, crew: Crew, journal: Journal, retries: int) -> Callable[[Item], bytes]:
    """Finds the finished calls about a row: of its first attempt, and of those that followed."""

    def finished(item: Item) -> bytes:
        found: list[bytes] = []
        requests = list(stage.ask(item.row)) if len(journal) else []
        for _ in range(retries + 1):
            lines = [line for request in requests for line in journal.lines(request.key(crew.engine.model))]
            if not lines:
                break
            found += lines
            requests = [request.again() for request in requests]
        return b"".join(found)

    return finished
