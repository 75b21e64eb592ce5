"""Allocates GPUs, in whole replicas, to models that work side by side. Pure.

Work streams through all models at once, and the slowest one sets the pace: the time is the maximum of `work / (replicas
× GPUs of a replica)`. With divisible replicas it would be smallest with GPUs in proportion to work. Whole replicas are
allocated one at a time, each to the model that is slowest so far, until another replica of that model does not fit.
This is optimal: any allocation that is faster than the current one has one more replica of the slowest model, so by
induction no model has fewer replicas there than here, and at the end there is no room for one more.

The caller places the replicas; `promptcot.planning.sharing` estimates their time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a model, in GPU-seconds, and the GPUs of one replica. Names are unique.

    Only the ratio of GPU-seconds matters for the allocation.
    """

    name: str
    gpu_seconds: float
    gpus: int


def hand_out(works: Sequence[Work], gpus: int) -> dict[str, int] | None:
    """Replicas by model name that minimize the time of the slowest model; None if not all models fit."""
    spare = gpus - sum(work.gpus for work in works)
    if spare < 0:
        return None
    counts = [1] * len(works)
    slowest = [(-work.gpu_seconds / work.gpus, place) for place, work in enumerate(works)]
    heapify(slowest)
    while slowest and works[place := slowest[0][1]].gpus <= spare:
        work = works[place]
        counts[place] += 1
        spare -= work.gpus
        heapreplace(slowest, (-work.gpu_seconds / (work.gpus * counts[place]), place))
    return {work.name: count for work, count in zip(works, counts, strict=True)}
