"""Estimates how much padding and waiting for the slowest process lengthen a step.

Simulates row lengths with the functions that distribute rows in training. The time of a micro-batch is taken as
proportional to its tokens. From ZeRO stage 2 on, processes exchange gradients, and wait, after each micro-batch;
otherwise once per step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.training.data.packing import pack
from promptcot.training.data.steps import share, share_padded
from promptcot.training.recipe import TrainRecipe

_STEPS, _ROWS = 20, 50_000
"""The maximum number of simulated steps."""

Sizes = NDArray[np.int64]
"""The computed tokens of a step: a row for each round of micro-batches, a column for each process."""


def stretch(lengths: Sequence[int], recipe: TrainRecipe, *, packing: bool) -> float:
    """The time of a step, relative to an even distribution of its tokens over all processes."""
    rng, per_step = np.random.default_rng(recipe.seed), recipe.sequences_per_step
    count = per_step * max(1, min(_STEPS, _ROWS // per_step))
    drawn = rng.choice(np.asarray(lengths, np.int32), count)
    by_sequences = packing and recipe.schedule.step_by == "sequences"
    time = real = 0.0
    for sizes, tokens in _packs(drawn, recipe, rng) if by_sequences else _rows(drawn, recipe, packing):
        waits_often = recipe.parallelism.zero >= 2 or recipe.parallelism.fsdp
        time += float(sizes.max(axis=1).sum() if waits_often else sizes.sum(axis=0).max())
        real += tokens / recipe.parallelism.groups
    return time / real


def _rows(drawn: NDArray[np.int32], recipe: TrainRecipe, packing: bool) -> Iterator[tuple[Sizes, int]]:
    """Steps counted in rows, packed or padded; and padded ones counted in sequences, which is the same."""
    devices, together, window = recipe.parallelism.groups, recipe.schedule.micro_batch, recipe.schedule.max_length
    for lengths in drawn.reshape(-1, recipe.sequences_per_step):
        if packing:
            parts = share(lengths, together * window, devices)
            sizes = [[int(lengths[places].sum()) for places in part] for part in parts]
        else:
            parts = share_padded(lengths, together, devices)
            sizes = [[int(lengths[places].max(initial=0)) * len(places) for places in part] for part in parts]
        yield np.array(sizes).T, int(lengths.sum())


def _packs(drawn: NDArray[np.int32], recipe: TrainRecipe, rng: np.random.Generator) -> Iterator[tuple[Sizes, int]]:
    """Steps of sequences that are packed in advance; part of a step if there are not enough."""
    devices, together = recipe.parallelism.groups, recipe.schedule.micro_batch
    packs = np.array([int(drawn[places].sum()) for places in pack(drawn, recipe.schedule.max_length)])
    for sizes in np.split(
        rng.permutation(packs), range(recipe.sequences_per_step, len(packs), recipe.sequences_per_step)
    ):
        filled = np.resize(sizes, -(-len(sizes) // (devices * together)) * devices * together)
        yield filled.reshape(-1, devices, together).sum(axis=2), int(filled.sum())
