"""Computes how long models take on a number of GPUs, with `core.sharing` (side by side) or in turn.

In turn, each model has all GPUs, and the times add up. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptcot.core.sharing import Work, hand_out
from promptcot.errors import InputError


class TooFewGpus(InputError):
    """There are not enough GPUs for a single replica of a model."""


@dataclass(frozen=True, slots=True)
class Part:
    """The replicas of a model, and the seconds that they take for its work."""

    name: str
    replicas: int
    gpus: int
    seconds: float


def side_by_side(works: Sequence[Work], gpus: int) -> list[Part] | None:
    """Replicas of all models at once, so that the slowest takes the least time; None if they do not fit at once."""
    replicas = hand_out(works, gpus)
    return None if replicas is None else [_part(work, replicas[work.name]) for work in works]


def in_turn(works: Sequence[Work], gpus: int) -> list[Part]:
    """As many replicas of each model as fit, one model after the other. Raises TooFewGpus."""
    for work in works:
        if work.gpus > gpus:
            raise TooFewGpus(
                f"{work.name}: one replica takes {work.gpus} GPUs, and there {'is' if gpus == 1 else 'are'} {gpus}. "
                f"Plan with more (--gpus {work.gpus}), or with a smaller or quantised model and its rates (the "
                "section [plan] of the recipe, or --set)"
            )
    return [_part(work, gpus // work.gpus) for work in works]


def _part(work: Work, replicas: int) -> Part:
    return Part(work.name, replicas, work.gpus, work.gpu_seconds / (replicas * work.gpus))
