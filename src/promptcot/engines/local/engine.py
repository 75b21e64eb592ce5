"""The embedded engine: runs any causal language model from a local folder with transformers, in this process.

Requests are batched continuously. The result of a call does not depend on the other calls in its batch, with one
exception: the shape of a batch can change the last bits of a logit, and so, rarely, a token.

This module is the interface of the engine, and decides which worker gets a call; `sharing` decides how many workers
there are. With a small model on a CPU, workers get 64 calls one after another, because a step costs nearly the same for
fewer rows, and equal shares of all further calls, because larger batches still give more tokens per second
(benchmarks/local_engine.py compares sizes). With a larger model, workers get equal shares, because the cost of a step
grows with its rows. `model` loads, `worker` runs. torch and transformers are imported when an engine is created, not
earlier.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.local.jobs import CompleteJob, EmbedJob, ScoreJob
from promptcot.engines.local.sharing import SMALL, equal_parts, share
from promptcot.engines.machine import cores, memory_total, threads
from promptcot.errors import EngineUnusable
from promptcot.records import Completion, Request, Score

_FILLED_FIRST = 64
_MAX_BATCH = {"small": 256, "cpu": 64, "cuda": 256}
_TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 32768}
_SHARE_OF_MEMORY = {"small": 0.0625, "cpu": 0.25, "cuda": 0.6}
"""A run has several small models in memory at the same time, and seldom more than one that is not small."""


class LocalEngine:
    """An engine over a model folder. It loads when it is created, on a GPU if there is one.

    `max_batch` bounds the number of concurrent completions of each worker (64 on a CPU; 256 on a GPU, and for models of
    at most 50 million weights); the memory for their keys and values is bounded too, and the latest calls wait if it
    would not suffice. `tokens_at_once` bounds the padded tokens of one pass over texts to score or embed. `workers`
    overrides the number of workers.

    Raises InputError for a path that does not exist, EngineUnusable for a folder that cannot be used.
    """

    def __init__(
        self,
        model_path: str | Path,
        *,
        tokenizer_path: str | Path | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        max_batch: int | None = None,
        tokens_at_once: int | None = None,
        workers: int | None = None,
    ) -> None:
        try:
            from promptcot.engines.local import model as local_model
            from promptcot.engines.local import worker as local_worker
        except ImportError as error:
            raise EngineUnusable(
                f"the local engine needs {error.name}: pip install 'promptcot[local]'", "not-installed"
            ) from error
        loaded = local_model.load(model_path, tokenizer_path, dtype)
        kind = loaded.device.type
        available = cores()
        shared = equal_parts(workers, available, threads()) if workers else share(loaded, available, threads())
        self._model = loaded.name
        self._even = loaded.parameters > SMALL
        size = "small" if kind == "cpu" and not self._even else kind
        self._note = f"{loaded.name.partition('@')[0]}: {loaded.numbers}, {shared}" if shared.measured else ""
        self._max_batch = max_batch or _MAX_BATCH[size]
        self._workers = [
            local_worker.Worker(
                loaded,
                threads=shared.threads,
                max_batch=self._max_batch,
                memory=int(_memory(loaded) * _SHARE_OF_MEMORY[size] / shared.workers),
                tokens_at_once=tokens_at_once or _TOKENS_AT_ONCE[kind],
            )
            for _ in range(shared.workers)
        ]
        # Also runs when the interpreter exits, so that no thread is left inside torch.
        self._stop = weakref.finalize(self, _stop_all, self._workers)

    @property
    def model(self) -> str:
        """The folder's name and a fingerprint of weights, configuration and tokenizer: `name@0123456789ab`."""
        return self._model

    @property
    def note(self) -> str:
        """How it runs on this machine, if that was measured; otherwise empty."""
        return self._note

    @property
    def workers(self) -> int:
        """The number of workers, each of which runs a batch of its own."""
        return len(self._workers)

    async def complete(self, request: Request) -> Completion:
        """The model's completion. Token counts include the end token. A cancelled call leaves the batch.

        Raises RequestRefused (`over-long`, `template`, …) or EngineUnusable.
        """
        job = CompleteJob(request)
        self._put(job)
        return await asyncio.wrap_future(job.answer)

    async def score(self, prompt: str, continuation: str) -> Score:
        """The log-probability of the continuation's tokens after the prompt's; the two are tokenized separately.

        Raises RequestRefused or EngineUnusable.
        """
        job = ScoreJob(prompt, continuation)
        self._put(job)
        return await asyncio.wrap_future(job.answer)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Array (texts, dimensions): the final hidden state (after the last norm) of each text's last token.

        Raises RequestRefused or EngineUnusable.
        """
        count = len(self._workers)
        jobs = [EmbedJob(tuple(texts[place::count])) for place in range(min(count, max(1, len(texts))))]
        for worker, job in zip(self._workers, jobs, strict=False):
            worker.put(job)
        parts = await asyncio.gather(*(asyncio.wrap_future(job.answer) for job in jobs))
        vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
        for place, part in enumerate(parts):
            vectors[place::count] = part
        return vectors

    def _put(self, job: CompleteJob | ScoreJob) -> None:
        """Give a job to the first worker that is not yet filled, or to the least busy one."""
        least = min(self._workers, key=lambda worker: worker.load)
        filled = min(self._max_batch, _FILLED_FIRST)
        free = (worker for worker in self._workers if not self._even and worker.load < filled)
        next(free, least).put(job)

    async def close(self) -> None:
        """Cancel the calls in flight and end the threads. May be called repeatedly."""
        await asyncio.to_thread(self._stop)


def _stop_all(workers: Sequence[Any]) -> None:
    for worker in workers:
        worker.stop()


def _memory(model: Any) -> int:
    """Bytes: the free memory of the model's GPU, or of the machine."""
    if model.device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(model.device)[0])
    return memory_total()
