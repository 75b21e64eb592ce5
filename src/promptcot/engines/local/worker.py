"""The thread that runs the embedded model: it accepts jobs, and steps its batch while there are rows in it.

Decides when waiting calls join the batch, when a completion is done and what its text is, and how texts to be scored or
embedded are grouped. All use of the tokenizer happens in this thread. The result or error of a job goes to its future;
any other error goes to the futures of all jobs.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptcot.engines.local.batching import Batch, Draft
from promptcot.engines.local.jobs import CompleteJob, EmbedJob, Job, ScoreJob
from promptcot.engines.local.model import LoadedModel
from promptcot.errors import EngineError, EngineUnusable, RequestRefused
from promptcot.records import Completion, Score

_STEPS_BETWEEN_JOINS = 8
_PREFILL_TOKENS = 8192
_LOGITS_AT_ONCE = 1 << 26


@dataclass(eq=False, kw_only=True)
class _Call(Draft):
    """A completion in progress, and the future for its result."""

    answer: Future[Completion]
    limit: int


class Worker:
    """Runs jobs for one model in its own thread, with `threads` torch threads. `put` may be called from any thread.

    `max_batch` and `memory` (bytes of keys and values) bound the concurrent completions, `tokens_at_once` the padded
    tokens of a pass over texts to score or embed.
    """

    def __init__(self, model: LoadedModel, threads: int, max_batch: int, memory: int, tokens_at_once: int) -> None:
        self._model, self._text = model, model.codec()
        self._threads, self._tokens_at_once = threads, tokens_at_once
        self._batch = Batch(model, max_batch, memory)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._open: set[Future[Any]] = set()
        self._waiting: deque[_Call] = deque()
        self._reading: deque[ScoreJob | EmbedJob] = deque()
        self._steps = 0
        self._lock = threading.RLock()
        self._over: EngineUnusable | None = None
        self._thread = threading.Thread(target=self._run, name="promptcot-local-engine", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """The number of pending jobs."""
        return len(self._open)

    def put(self, job: Job) -> None:
        """Submit a job; its future will be resolved. Raises EngineUnusable after the worker has ended."""
        with self._lock:
            if self._over is not None:
                raise self._over
            self._open.add(job.answer)
            job.answer.add_done_callback(self._open.discard)
            self._jobs.put(job)

    def stop(self, patience: float = 60.0) -> None:
        """Cancel the jobs in flight and end the thread, waiting `patience` seconds for its current step."""
        with self._lock:
            self._over = self._over or EngineUnusable("the local engine is closed", "closed")
            self._jobs.put(None)
        # An engine without references may be garbage-collected, and so stopped, in this thread itself.
        if threading.current_thread() is not self._thread:
            self._thread.join(patience)

    def _run(self) -> None:
        try:
            torch.set_num_threads(self._threads)
            with torch.inference_mode():
                while self._collect():
                    self._turn()
            error = None
        except BaseException as failure:
            error = EngineUnusable(f"the local engine failed: {_explain(failure)}", "local-engine")
            error.__cause__ = failure
        self._finish(error)

    def _finish(self, error: EngineUnusable | None) -> None:
        """Resolve every remaining future: with the error, or as cancelled."""
        with self._lock:
            self._over = self._over or error
        for answer in list(self._open):
            if error is None:
                answer.cancel()
            else:
                _fail(answer, error)

    def _collect(self) -> bool:
        """Accept new jobs, waiting for one if the worker is idle; False when it is time to stop."""
        idle = not (self._waiting or self._reading or len(self._batch))
        first = [self._jobs.get()] if idle else []
        for job in [*first, *_drain(self._jobs)]:
            if job is None:
                return False
            if isinstance(job, CompleteJob):
                self._accept(job)
            else:
                self._reading.append(job)
        return True

    def _accept(self, job: CompleteJob) -> None:
        try:
            self._waiting.append(self._call(job))
        except EngineError as error:
            _fail(job.answer, error)

    def _call(self, job: CompleteJob) -> _Call:
        request, context = job.request, self._model.context
        ids = self._text.request_ids(request)
        self._refuse_over_long(len(ids) + 1)
        if request.sampling.max_tokens < 1:
            raise RequestRefused("max_tokens must be at least 1", "malformed")
        limit = min(request.sampling.max_tokens, context - len(ids))
        return _Call(ids=ids, sampling=request.sampling, seed=request.seed, answer=job.answer, limit=limit)

    def _refuse_over_long(self, tokens: int) -> None:
        if tokens > self._model.context:
            raise RequestRefused(f"{tokens} tokens are needed, and the context is {self._model.context}", "over-long")

    def _turn(self) -> None:
        if self._reading:
            self._read()
        self._leave([row for row, call in enumerate(self._calls()) if call.answer.cancelled()])
        if self._waiting and (not len(self._batch) or self._steps % _STEPS_BETWEEN_JOINS == 0):
            self._join()
        if len(self._batch):
            self._step()

    def _calls(self) -> Sequence[_Call]:
        return self._batch.drafts  # type: ignore[return-value]

    def _join(self) -> None:
        """Let waiting calls join the batch, in order of arrival, as far as slots, memory and one pass allow."""
        joining: list[_Call] = []
        longest = 0
        while self._waiting:
            call = self._waiting[0]
            longest = max(longest, len(call.tokens))
            if joining and longest * (len(joining) + 1) > _PREFILL_TOKENS:
                break
            if not self._batch.fits([*(len(other.tokens) for other in joining), len(call.tokens)]):
                break
            self._waiting.popleft()
            if not call.answer.cancelled():
                joining.append(call)
        if joining:
            present = len(self._batch)
            self._take(present, self._batch.join(joining))

    def _step(self) -> None:
        surplus = self._batch.surplus()
        # Back to the front of the queue: drawn tokens are kept, and the noise depends on their number.
        self._waiting.extendleft(reversed([self._calls()[row] for row in surplus]))
        self._leave(surplus)
        self._steps += 1
        self._take(0, self._batch.step())

    def _take(self, first: int, drawn: list[tuple[int, bool]]) -> None:
        """Record the tokens drawn by rows from `first` on, and remove the finished ones."""
        done = [row for row, (token, fit) in enumerate(drawn, first) if self._note(row, token, fit)]
        self._leave(done)

    def _leave(self, rows: list[int]) -> None:
        if rows:
            self._batch.leave(rows)

    def _note(self, row: int, token: int, fit: bool) -> bool:
        """Add a token to a row's completion; returns whether that ended it."""
        call = self._calls()[row]
        if not fit:
            self._batch.forget(row)
            _fail(call.answer, RequestRefused("the model's logits are not finite; try another --dtype", "not-finite"))
            return True
        call.drawn.append(token)
        if (end := self._end(call, token)) is None:
            return False
        _resolve(call.answer, Completion(*end, len(call.ids), len(call.drawn)))
        return True

    def _end(self, call: _Call, token: int) -> tuple[str, str] | None:
        """Text and finish reason, if the completion ends here."""
        text = self._text
        if token in self._model.stop_ids:
            return text.decode(call.drawn[:-1]), "stop"
        if call.sampling.stop and (cut := text.cut(call.drawn, call.sampling.stop)) is not None:
            return cut, "stop"
        if len(call.drawn) >= call.limit:
            return text.decode(call.drawn), "length"
        return None

    def _read(self) -> None:
        """Process one embedding job, or all waiting scoring jobs."""
        if isinstance(job := self._reading[0], EmbedJob):
            self._reading.popleft()
            self._embed(job)
            return
        scores = [job for job in self._reading if isinstance(job, ScoreJob)]
        self._score(scores)
        self._reading = deque(job for job in self._reading if not isinstance(job, ScoreJob))

    def _embed(self, job: EmbedJob) -> None:
        try:
            texts = [self._text.ids(text) for text in job.texts]
            for text in texts:
                self._refuse_over_long(len(text))
        except EngineError as error:
            _fail(job.answer, error)
            return
        vectors = np.empty((len(texts), self._model.width), np.float32)
        for group in groups(list(map(len, texts)), self._tokens_at_once):
            if job.answer.cancelled():
                return
            vectors[group] = self._last_states([texts[place] for place in group])
        _resolve(job.answer, vectors)

    def _last_states(self, texts: Sequence[list[int]]) -> NDArray[np.float32]:
        ids = self._padded(texts)
        states = self._model.network.base_model(input_ids=ids, use_cache=False).last_hidden_state
        ends = torch.tensor([len(text) - 1 for text in texts], device=ids.device)
        last: NDArray[np.float32] = states[torch.arange(len(texts), device=ids.device), ends].float().cpu().numpy()
        return last

    def _score(self, jobs: Sequence[ScoreJob]) -> None:
        texts: list[tuple[list[int], int]] = []
        asked: list[ScoreJob] = []
        for job in jobs:
            try:
                text = self._text.continued_ids(job.prompt, job.continuation)
                self._refuse_over_long(len(text[0]))
            except EngineError as error:
                _fail(job.answer, error)
                continue
            texts.append(text)
            asked.append(job)
        at_once = min(self._tokens_at_once, _LOGITS_AT_ONCE // self._model.vocabulary)
        for group in groups([len(ids) for ids, _ in texts], at_once):
            for place, score in zip(group, self._log_probs([texts[place] for place in group]), strict=True):
                _resolve(asked[place].answer, score)

    def _log_probs(self, texts: Sequence[tuple[list[int], int]]) -> Iterator[Score]:
        """The log-probability of the last tokens of each text, for texts given as (tokens, number of last tokens)."""
        ids = self._padded([text for text, _ in texts])
        first = min(len(text) - counted for text, counted in texts) - 1
        keep = {"logits_to_keep": ids.shape[1] - first} if "logits_to_keep" in self._model.accepts else {}
        logits = self._model.network(input_ids=ids, use_cache=False, **keep).logits[:, first - ids.shape[1] :]
        for row, (text, counted) in zip(logits, texts, strict=True):
            stop = len(text) - 1 - first
            chosen = row[stop - counted : stop].float().log_softmax(dim=-1)
            wanted = torch.tensor(text[len(text) - counted :], dtype=torch.int64, device=ids.device)
            yield Score(float(chosen.gather(1, wanted.unsqueeze(1)).double().sum()), counted)

    def _padded(self, texts: Sequence[list[int]]) -> Tensor:
        """Padded on the right, where a causal model needs no mask: later tokens change nothing."""
        longest = max(map(len, texts))
        return torch.tensor([text + text[-1:] * (longest - len(text)) for text in texts], device=self._model.device)


def groups(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions grouped by similar length, so that each group, padded to its longest, has at most `budget` tokens.

    A text longer than the budget is a group of its own.
    """
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if group and lengths[place] * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _drain(jobs: queue.SimpleQueue[Any]) -> Iterable[Any]:
    while True:
        try:
            yield jobs.get_nowait()
        except queue.Empty:
            return


def _resolve(answer: Future[Any], value: object) -> None:
    """Set a result, unless the future was cancelled meanwhile."""
    if answer.set_running_or_notify_cancel():
        answer.set_result(value)


def _fail(answer: Future[Any], error: Exception) -> None:
    if answer.set_running_or_notify_cancel():
        answer.set_exception(error)


def _explain(failure: BaseException) -> str:
    if isinstance(failure, torch.OutOfMemoryError):
        return f"the device's memory is full; use a smaller batch, or a model that leaves more room ({failure})"
    return f"{type(failure).__name__}: {failure}"
