"""The runner for one machine: asyncio, a bounded number of concurrent calls, outcomes in the order of the rows.

Rows start in order and finish in any order. A window limits how far the newest row may run ahead of the oldest, so that
memory stays flat while a slow row blocks the output. A call that waits for a retry releases its slot. An error that is
not the fault of a single row stops the whole stage at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, cast

from promptcot.core.parsing.replies import ended
from promptcot.engines.protocol import Engine, servers_of
from promptcot.errors import (
    LIMITED,
    EngineError,
    EngineUnusable,
    RequestRefused,
    StageFault,
    StorageError,
    TransientError,
    UnfitRow,
)
from promptcot.printable import quoted
from promptcot.records import (
    CONTENT_FILTER,
    UNANSWERED,
    Completion,
    Drop,
    Failed,
    Item,
    Outcome,
    Request,
    Retry,
    Row,
    Unusable,
)
from promptcot.runners.faults import Faults
from promptcot.runners.health import Health
from promptcot.runners.known import known
from promptcot.runners.readability import Readability
from promptcot.runners.retries import Retries
from promptcot.runners.slots import Slots
from promptcot.runners.streams import cancel, closing
from promptcot.stages import called
from promptcot.stages.protocol import Stage
from promptcot.storage import budget as money
from promptcot.storage.budget import Budget
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal

_SYNC_EVERY = 0.5
_ROWS_AHEAD_PER_CALL = 8
_LEAST_WINDOW, _MOST_ROWS = 512, 16_384
_OF_ONE_CALL = (RequestRefused, TransientError)


class LocalRunner:
    """Runs stages in this process, with at most `concurrency` calls of each stage at a time, to each server of it.

    `max_retries` limits the retries of a row whose reply cannot be used, and `budget` the cost of all stages.
    `rows_ahead` sets how far the newest row of a stage may run ahead of the oldest, where the default is too small.
    With `keep_going` a stage is not stopped when none of its replies can be used.
    """

    def __init__(
        self,
        concurrency: int = 64,
        retries: Retries | None = None,
        max_retries: int = 0,
        budget: Budget | None = None,
        rows_ahead: int = 0,
        keep_going: bool = False,
    ) -> None:
        self.keep_going = keep_going
        self.concurrency = concurrency
        self.retries = retries or Retries()
        self.max_retries = max_retries
        self.budget = budget or Budget()
        self.rows_ahead = max(rows_ahead, _LEAST_WINDOW)

    async def run(
        self, stage: Stage, items: AsyncIterator[Item], engine: Engine, journal: Journal, counts: StageCounts
    ) -> AsyncIterator[Outcome]:
        """See the protocol."""
        passage = _Passage(self, stage, engine, journal, counts)
        started = time.monotonic()
        passage.feeder = feeder = asyncio.create_task(passage.feed(items))
        committer = asyncio.create_task(passage.commit())
        try:
            async for outcome in passage.outcomes():
                counts.seconds = time.monotonic() - started
                yield outcome
        finally:
            await cancel([feeder, committer, *passage.tasks])


class _Reply(NamedTuple):
    """A reply, and whether it was `known` from the journal; or the `error` of the failed call."""

    completion: Completion
    known: bool
    error: EngineError | None = None


class _Passage:
    """One pass of a stage over a stream of rows: the state that the feeder, the rows and the reader share."""

    def __init__(
        self, runner: LocalRunner, stage: Stage, engine: Engine, journal: Journal, counts: StageCounts
    ) -> None:
        self.runner, self.stage, self.engine, self.journal, self.counts = runner, stage, engine, journal, counts
        self.tasks: set[asyncio.Task[None]] = set()
        self.feeder: asyncio.Task[None] | None = None
        self._slots = Slots(lambda: self._readability.bound(self._calls()))
        self._room = Slots(self._rows)
        self._order: deque[Item] = deque()
        self._finished: dict[int, Outcome] = {}
        self._useless: dict[int, Unusable] = {}
        self._fatal: BaseException | None = None
        self._fed = False
        self._news = asyncio.Event()
        self._health = Health(stage.name, journal.directory)
        self._faults = Faults(stage.name, journal.directory)
        self._readability = Readability(stage.name, journal.directory, keep_going=runner.keep_going)
        self._model = engine.model

    def _rows(self) -> int:
        """The most rows in flight: enough for all calls, and few enough for memory."""
        calls = self._calls()
        return max(self.runner.rows_ahead, min(calls * _ROWS_AHEAD_PER_CALL, max(_MOST_ROWS, 2 * calls)))

    def _calls(self) -> int:
        """The most concurrent calls."""
        return self.runner.concurrency * servers_of(self.engine)

    async def feed(self, items: AsyncIterator[Item]) -> None:
        """Start a task for each item when there is room."""
        try:
            async with closing(items) as stream:
                async for item in stream:
                    await self._room.acquire()
                    self.counts.rows_in += 1
                    self._order.append(item)
                    task = asyncio.create_task(self._pass(item))
                    self.tasks.add(task)
                    task.add_done_callback(self.tasks.discard)
            self._fed = True
            self._news.set()
        except Exception as error:
            self._stop(error)

    async def commit(self) -> None:
        """Sync the journal to disk at intervals, and admit more calls when servers have been added."""
        while True:
            await asyncio.sleep(_SYNC_EVERY)
            self._room.admit()
            self._slots.admit()
            try:
                await asyncio.to_thread(self.journal.sync)
            except StorageError as error:
                self._stop(error)
                return

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """The outcomes in order. Raises the first error that is not the fault of a single row."""
        while True:
            self._news.clear()
            if self._fatal is not None:
                raise self._fatal
            while self._order and (outcome := self._finished.pop(id(self._order[0]), None)):
                item = self._order.popleft()
                self._room.release()
                useless = self._useless.pop(id(item), None)
                if not isinstance(outcome.result, Failed):
                    self.counts.count_use(useless)
                yield outcome
            if self._fed and not self._order and self._fatal is None:
                return
            await self._news.wait()

    async def _pass(self, item: Item) -> None:
        try:
            result = await self._row(item)
        except Exception as error:
            self._stop(error)
            return
        self._finished[id(item)] = Outcome(item, result)
        self.counts.rows_answered += 1
        if self._order[0] is item:
            self._news.set()

    def _stop(self, error: Exception) -> None:
        """Store the first error that is not the fault of a single row, and start no more calls."""
        self._fatal = self._fatal or error
        self._news.set()
        for task in {self.feeder, *self.tasks} - {None, asyncio.current_task()}:
            cast("asyncio.Task[None]", task).cancel()

    async def _row(self, item: Item) -> Sequence[Row] | Drop | Failed:
        try:
            requests = called.ask(self.stage, item.row)
        except StageFault as fault:
            self._faults.saw(fault)
            return called.unasked(fault)
        except UnfitRow as error:  # if it is the first row of a file, no call has been made
            self._health.saw(good=False, counts=False, words=str(error))
            return Failed("unfit", str(error))
        self._readability.asks(len(requests))
        for attempt in range(self.runner.max_retries + 1):
            try:
                replies = await self._replies(requests)
            except _OF_ONE_CALL as error:
                self._failed(error)
                return Failed(error.cause, str(error))
            try:
                result = called.read(self.stage, item.row, [reply.completion for reply in replies])
                useless = called.fault(self.stage, result)
            except StageFault as fault:
                self._faults.saw(fault)
                return called.left_out(fault, [reply.completion for reply in replies if reply.error is None])
            self._weigh(item, requests, replies, useless)
            if not isinstance(result, Retry):
                break
            if attempt < self.runner.max_retries:
                self.counts.asked_again[result.reason] += 1
                requests = [request.again() for request in requests]
        self._faults.saw(None)
        return result.otherwise if isinstance(result, Retry) else result

    def _weigh(self, item: Item, requests: Sequence[Request], replies: Sequence[_Reply], fault: str | None) -> None:
        """Record whether the replies can be used. Raises SystematicFailure when too few can."""
        answered = [(request, reply) for request, reply in zip(requests, replies, strict=True) if reply.error is None]
        if not answered:
            return
        known = sum(reply.known for _, reply in answered)
        request, first = answered[0]
        useless = None if fault is None else _unusable(fault, request, first.completion)
        if useless is None:
            self._useless.pop(id(item), None)
        else:
            self._useless[id(item)] = useless
        if self._readability.saw(useless, len(answered) - known, known):
            self._slots.admit()
        for _, reply in answered:
            written = bool(reply.completion.text.strip()) or self.runner.keep_going
            if written or not reply.known:
                self._health.saw(good=written)
        for reply in replies:
            if reply.error is not None:
                self._failed(reply.error)

    def _failed(self, error: EngineError) -> None:
        """Record a failed call. Raises SystematicFailure when too many fail."""
        self._health.saw(good=False, counts=isinstance(error, TransientError), words=str(error))

    async def _replies(self, requests: Sequence[Request]) -> Sequence[_Reply]:
        """One reply for each request. Raises the error of a call if it fails the row or stops the run."""
        if len(requests) == 1:
            return [await self._call(requests[0])]
        # All calls finish before an error is raised, so that all paid replies are in the journal.
        replies = await asyncio.gather(*map(self._call, requests), return_exceptions=True)
        errors = [one for one in replies if isinstance(one, BaseException)]
        stops = [error for error in errors if not isinstance(error, _OF_ONE_CALL)]
        if stops or (errors and not (called.takes_partial(self.stage) and len(errors) < len(replies))):
            raise (stops or errors)[0]
        return [self._unanswered(one) if isinstance(one, EngineError) else cast("_Reply", one) for one in replies]

    def _unanswered(self, error: EngineError) -> _Reply:
        """The placeholder for a failed call in a row whose other calls succeeded."""
        self.counts.unanswered[error.cause] += 1
        return _Reply(Completion("", UNANSWERED), known=False, error=error)

    async def _call(self, request: Request) -> _Reply:
        """The reply: from the journal if a fitting one is there, else from the engine, and then journaled."""
        key, found = request.key(self._model), known(self.journal, request, self._model)
        if isinstance(found, Completion):
            self.counts.reused += 1
            return _Reply(self._written(found), known=True)
        self._readability.begin(key, request, changed=found is not None)
        if found is not None:
            self.counts.asked_again[found] += 1
        try:
            reply = await self._ask(key, request)
        finally:
            self._readability.end(key, request)
        self._health.attempt_succeeded()
        return _Reply(self._written(reply), known=False)

    def _written(self, reply: Completion) -> Completion:
        """The reply without end tokens.

        Raises RequestRefused for a reply that the server refused, which is journaled too.
        """
        if reply.finish_reason == CONTENT_FILTER:
            raise RequestRefused(
                f"the server refuses the content: {quoted(reply.text) or CONTENT_FILTER}", "content-refused"
            )
        reply = ended(reply)
        self.counts.end_tokens += bool(reply.end_tokens)
        return reply

    async def _ask(self, key: str, request: Request) -> Completion:
        """Call the engine, with retries; no slot is held while waiting. Raises the last error."""
        failures = free = 0
        answered = self._health.answered
        while True:
            try:
                if self.runner.budget.max_cost is None:
                    async with self._slots:
                        return await self._paid(key, request)
                async with self.runner.budget.hold(self._most(request)), self._slots:
                    return await self._paid(key, request)
            except TransientError as error:
                self._health.attempt_failed(error)
                failures += 1
                free += error.cause == LIMITED and self._health.answered > answered
                answered = self._health.answered
                delay = self.runner.retries.delay(failures, error, request.seed, free)
                if delay is None:
                    raise
                self.counts.asked_again[error.cause] += 1
            await asyncio.sleep(delay)

    async def _paid(self, key: str, request: Request) -> Completion:
        """The engine's reply, journaled at once, even if it arrives while the run is being stopped."""
        call = asyncio.ensure_future(self.engine.complete(request))
        try:
            reply = await asyncio.shield(call)
        except asyncio.CancelledError:
            if call.cancelled():
                raise EngineUnusable("the engine cancelled a call; look at its log", "cancelled") from None
            await asyncio.wait([call], timeout=0)  # a reply may already be in the event loop
            if not call.done():
                call.cancel()
                await asyncio.wait([call])
            elif call.exception() is None:
                self._keep(key, request, call.result())
            raise
        self._keep(key, request, reply)
        if reply.finish_reason != CONTENT_FILTER:
            self._readability.arrived()
        return reply

    def _most(self, request: Request) -> float:
        return 0.0 if self.counts.price is None else money.most(self.counts.price, request)

    def _keep(self, key: str, request: Request, reply: Completion) -> None:
        cost = None if self.counts.price is None else money.cost(self.counts.price, request, reply)
        self.runner.budget.spend(cost)
        self.journal.append(key, request, reply, model=self._model, cost=cost)
        self.counts.calls += 1
        self.counts.count_tokens(reply.prompt_tokens, reply.completion_tokens)


def _unusable(reason: str, request: Request, reply: Completion) -> Unusable:
    asked = request.sampling.max_tokens, bool(request.messages)
    return Unusable(reason, reply.text, reply.finish_reason, *asked, reply.completion_tokens)
