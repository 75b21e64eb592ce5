"""The embedded engine: any causal language model from a local folder, run by transformers in this process.

It batches what arrives: calls join the running batch as others finish. What a call gets does not depend on its neighbours,
except that the shape of a batch can move the last bits of a logit, and so, rarely, a token. This module is the engine's
face and decides the sizes; `local_model` loads, `local_worker` runs. torch and transformers are imported when an engine is
made, not before.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.local_jobs import CompleteJob, EmbedJob, ScoreJob
from promptcot.errors import EngineUnusable
from promptcot.records import Completion, Request, Score

if TYPE_CHECKING:
    from promptcot.engines.local_model import LoadedModel
    from promptcot.engines.local_worker import Worker

_MAX_BATCH = {"cpu": 64, "cuda": 256}
_TOKENS_AT_ONCE = {"cpu": 4096, "cuda": 32768}


class LocalEngine:
    """An engine over a model folder. It loads when it is made, on a GPU if there is one, and runs in one thread.

    `max_batch` bounds how many completions are drawn at a time (64 on a CPU, 256 on a GPU); the memory for their keys and
    values is bounded by a share of what is free, beyond which the latest calls wait. `tokens_at_once` bounds the padded
    tokens of one pass over texts to score or embed.

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
    ) -> None:
        try:
            from promptcot.engines import local_model, local_worker
        except ImportError as error:
            raise EngineUnusable(
                f"the local engine needs {error.name}: pip install 'promptcot[local]'", "not-installed"
            ) from error
        loaded = local_model.load(model_path, tokenizer_path, dtype)
        kind = loaded.device.type
        self._worker: Worker = local_worker.Worker(
            loaded,
            max_batch=max_batch or _MAX_BATCH[kind],
            memory=_memory(loaded),
            tokens_at_once=tokens_at_once or _TOKENS_AT_ONCE[kind],
        )
        self._model = loaded.name
        # Also runs when the interpreter exits, so that no thread is left inside torch.
        self._stop = weakref.finalize(self, self._worker.stop)

    @property
    def model(self) -> str:
        """The folder's name and a fingerprint of weights, configuration and tokenizer: `name@0123456789ab`."""
        return self._model

    async def complete(self, request: Request) -> Completion:
        """The model's reply. Token counts include the token that ends a text. A cancelled call leaves the batch.

        Raises RequestRefused (`over-long`, `template`, …) or EngineUnusable.
        """
        job = CompleteJob(request)
        self._worker.put(job)
        return await asyncio.wrap_future(job.answer)

    async def score(self, prompt: str, continuation: str) -> Score:
        """The log-probability of the continuation's tokens after the prompt's; the two are tokenised apart.

        Raises RequestRefused or EngineUnusable.
        """
        job = ScoreJob(prompt, continuation)
        self._worker.put(job)
        return await asyncio.wrap_future(job.answer)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Array (texts, dim): the final hidden state (after the last norm) of each text's last token.

        Raises RequestRefused or EngineUnusable.
        """
        job = EmbedJob(tuple(texts))
        self._worker.put(job)
        return await asyncio.wrap_future(job.answer)

    async def close(self) -> None:
        """Cancel the calls in flight and end the thread. More than once does no harm."""
        await asyncio.to_thread(self._stop)


def _memory(model: LoadedModel) -> int:
    """Bytes for keys and values: most of what is free on a GPU, a quarter of a CPU's memory."""
    if model.device.type == "cuda":
        import torch

        return int(0.6 * torch.cuda.mem_get_info(model.device)[0])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
