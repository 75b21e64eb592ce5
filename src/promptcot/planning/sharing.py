"""How GPUs are shared over models, in whole replicas, and how long their work takes then. Pure.

Side by side, work streams through all models at once, and the slowest one sets the pace: the time is the maximum of
`work / (replicas × GPUs of a replica)`. Were replicas divisible, it would be smallest with GPUs in proportion to work.
Whole replicas are handed out one at a time, each to the model that is slowest so far, until there is no room for
another of that one. This is optimal: whatever is faster than a state of the hand-out has one more replica of its
slowest model, so by induction no model has fewer there than here, and at the end there is no room for that one more.

In turn, each model has all GPUs while its turn lasts, and the times add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from promptcot.errors import InputError


class TooFewGpus(InputError):
    """Not one replica of a model fits."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a model has to do, in GPU-seconds, and how many GPUs one replica of it takes."""

    name: str
    gpu_seconds: float
    gpus: int


@dataclass(frozen=True, slots=True)
class Part:
    """The replicas of a model, and the seconds that they take for its work."""

    name: str
    replicas: int
    gpus: int
    seconds: float


def side_by_side(works: Sequence[Work], gpus: int) -> list[Part] | None:
    """Replicas of all models at once, so that the slowest takes the least time; None where they do not fit at once."""
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
    return [_part(work, count) for work, count in zip(works, counts, strict=True)]


def in_turn(works: Sequence[Work], gpus: int) -> list[Part]:
    """As many replicas of each model as fit, one model after the other. Raises TooFewGpus."""
    for work in works:
        if work.gpus > gpus:
            raise TooFewGpus(
                f"{work.name}: one replica takes {work.gpus} GPUs, and there {'is' if gpus == 1 else 'are'} {gpus}. "
                f"Plan with more (--gpus {work.gpus}), or with a smaller or quantised model and what it takes "
                "(the section [plan] of the recipe, or --set)"
            )
    return [_part(work, gpus // work.gpus) for work in works]


def _part(work: Work, replicas: int) -> Part:
    return Part(work.name, replicas, work.gpus, work.gpu_seconds / (replicas * work.gpus))
