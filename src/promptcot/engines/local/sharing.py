"""How the local engine divides the cores of a CPU: how many workers, and how many torch threads for each.

Small models get one single-threaded worker for each core: torch threads wait for each other at every operation, which
slows small models down, and much more so when other programs use the cores too. Large models get one worker with all
threads. In between, the best choice depends on the machine and its load, so it is measured when the model is loaded.
The load varies, so threads are used only where they are clearly faster: on two cores, two threads generated a quarter
more tokens of SmolLM2-135M than two workers on an idle machine, and a fifth as many on a busy one.

The choice does not affect replies. The number of threads left every bit of the logits unchanged (float32 and bfloat16,
1 to 64 rows), and the number of workers changes them no more than any other composition of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptcot.engines.local.model import LoadedModel

SMALL = 50_000_000
"""The number of weights up to which one worker per core is best, whatever else runs."""

_LARGE = 1_000_000_000
_MOST_WORKERS = 4
_CLEARLY = 1.5
_ROWS = 16
_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Sharing:
    """The number of workers, the number of torch threads of each, and whether they were measured."""

    workers: int
    threads: int
    measured: bool = False

    def __str__(self) -> str:
        workers, threads = _counted(self.workers, "worker"), _counted(self.threads, "thread")
        return f"{workers} with {threads}{' each' if self.workers > 1 else ''}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def share(model: LoadedModel, cores: int, most_threads: int) -> Sharing:
    """How to run a model on a number of cores, with a maximum number of threads per worker."""
    if model.device.type != "cpu":
        return equal_parts(1, cores, most_threads)
    if model.parameters <= SMALL:
        return equal_parts(min(cores, _MOST_WORKERS), cores, most_threads)
    possible = candidates(cores, most_threads)
    if model.parameters > _LARGE or len(possible) == 1:
        return possible[-1]
    return replace(quickest(possible, lambda sharing: rows_per_second(model, sharing)), measured=True)


def equal_parts(workers: int, cores: int, most_threads: int) -> Sharing:
    """All cores, divided equally among the workers."""
    return Sharing(workers, max(1, min(cores // workers, most_threads)))


def candidates(cores: int, most_threads: int) -> list[Sharing]:
    """The divisions to try: the maximum number of single-threaded workers first; one worker with all threads last.

    Fewer single-threaded workers are not tried: they leave cores idle, and workers never wait for one another.
    """
    most = min(cores, _MOST_WORKERS)
    divided = [equal_parts(count, cores, most_threads) for count in (most, 2, 1) if count <= most]
    return list(dict.fromkeys([Sharing(most, 1), *divided]))


def quickest(possible: Sequence[Sharing], speed: Callable[[Sharing], float]) -> Sharing:
    """The fastest division, if clearly faster than the first; otherwise the first."""
    speeds = {sharing: speed(sharing) for sharing in possible}
    first, best = possible[0], max(speeds, key=speeds.__getitem__)
    return best if speeds[best] > _CLEARLY * speeds[first] else first


def rows_per_second(model: LoadedModel, sharing: Sharing) -> float:
    """Tokens per second of all workers together when each steps its part of a batch of 16 rows."""
    import torch

    rows = max(1, _ROWS // sharing.workers)
    ids = torch.zeros(rows, 1, dtype=torch.int64)

    def work(_: int) -> float:
        torch.set_num_threads(sharing.threads)  # applies to this thread only
        with torch.inference_mode():
            model.network(input_ids=ids, use_cache=False)  # the first step creates buffers for later ones
            began, steps = time.perf_counter(), 0
            while not steps or time.perf_counter() - began < _SECONDS:
                model.network(input_ids=ids, use_cache=False)
                steps += 1
        return rows * steps / (time.perf_counter() - began)

    with ThreadPoolExecutor(sharing.workers) as workers:
        return sum(workers.map(work, range(sharing.workers)))
