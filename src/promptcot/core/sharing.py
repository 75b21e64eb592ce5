"""How GPUs are handed out to models that work side by side, in whole replicas. Pure.

Work streams through all models at once, and the slowest one sets the pace: the time is the maximum of
`work / (replicas × GPUs of a replica)`. Were replicas divisible, it would be smallest with GPUs in proportion to work.
Whole replicas are handed out one at a time, each to the model that is slowest so far, until there is no room for
another of that one. This is optimal: whatever is faster than a state of the hand-out has one more replica of its
slowest model, so by induction no model has fewer there than here, and at the end there is no room for that one more.

Where the replicas then run is decided by whoever starts them; how long they take, in `promptcot.planning.sharing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace


@dataclass(frozen=True, slots=True)
class Work:
    """What a model has to do, in GPU-seconds, and how many GPUs one replica of it takes. Names are told apart.

    Only the ratio of GPU-seconds matters for the hand-out.
    """

    name: str
    gpu_seconds: float
    gpus: int


def hand_out(works: Sequence[Work], gpus: int) -> dict[str, int] | None:
    """Replicas by the name of their model, so that the slowest takes the least time; None if not all models fit."""
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
