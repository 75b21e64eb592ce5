"""Estimates a training run before it starts: steps, tokens, operations, GPU-hours, and whether it fits in memory.

Pure arithmetic; needs neither torch nor the model. `architecture` computes weights and operations, `memory` the memory,
and `devices` has the hardware.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from promptcot.recipe.loading import with_changes
from promptcot.training.forecast.architecture import Shape, mean_context
from promptcot.training.forecast.memory import Memory, memory
from promptcot.training.forecast.waiting import stretch
from promptcot.training.recipe import TrainRecipe

PACKED = 0.98
"""Assumed share of a packed sequence that is filled. Best-fit decreasing fills more if many rows are short."""

ROOMY = 0.93
"""The usable share of a device's nominal memory; drivers take up to 6 %, as on an L4."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Row lengths after truncation to the window. `mean` in tokens; `context` as in `mean_context()`."""

    mean: float
    context: float
    kept: float = 1.0
    """The share of kept rows."""
    cut: float = 0.0
    """The share of rows with truncated completions."""
    packed: float = 1.0
    """The factor by which packed steps are longer than their tokens alone require: see `waiting.stretch`."""
    padded: float = 1.0
    """The same for padded steps."""


def lengths_of(sample: Sequence[int], recipe: TrainRecipe) -> Lengths:
    """The lengths of sampled rows in this recipe's window. Prompts that are too long by themselves are not detected
    here.
    """
    window = recipe.schedule.max_length
    long = sum(length > window for length in sample)
    if recipe.method.overlong == "cut":
        used, kept, cut = [min(length, window) for length in sample], 1.0, long / len(sample)
    else:
        used, kept, cut = [length for length in sample if length <= window], 1 - long / len(sample), 0.0
    if not used:
        return Lengths(0.0, 0.0, kept, cut)
    waits = [stretch(used, recipe, packing=packing) for packing in (True, False)]
    return Lengths(sum(used) / len(used), mean_context(used), kept, cut, *waits)


@dataclass(frozen=True, slots=True)
class Work:
    """A whole training run."""

    rows: int
    """Rows in an epoch, without dropped ones."""
    sequences: int
    """Sequences in an epoch: packs, or rows."""
    steps_per_epoch: int
    steps: int
    tokens: float
    """Tokens without padding, over all epochs."""
    flops: float
    """Operations for these tokens, as counted for the MFU."""
    hardware_flops: float
    """Including recomputation."""

    def gpu_hours(self, peak: float, mfu: float) -> float:
        """Hours of one device with that peak (operations per second), at that model FLOPs utilization.

        Without padding and waiting.
        """
        return self.flops / (peak * mfu) / 3600


def work(shape: Shape, recipe: TrainRecipe, rows: int, lengths: Lengths) -> Work:
    """The training of `rows` rows (before the window drops any) with these lengths."""
    used = max(1, round(rows * lengths.kept))
    window, per_step, epochs = recipe.schedule.max_length, recipe.sequences_per_step, recipe.schedule.epochs
    packed = recipe.rows_per_step is None
    sequences = math.ceil(used * lengths.mean / (window * PACKED)) if packed else used
    each = math.ceil(sequences / per_step)
    all_steps = math.ceil(sequences * epochs / per_step)
    if recipe.schedule.step_by == "rows":  # the last step of an epoch takes the remaining rows
        all_steps = int(epochs) * each + math.ceil(sequences * (epochs % 1) / per_step)
    steps = recipe.schedule.max_steps or all_steps  # takes precedence over epochs, even if these have fewer steps
    tokens = used * lengths.mean * epochs * steps / all_steps
    lora = recipe.method.lora
    flops = tokens * shape.flops_per_token(lengths.context, rank=lora.rank if lora else None)
    again = 4 / 3 if recipe.precision.gradient_checkpointing else 1
    return Work(
        rows=used,
        sequences=sequences,
        steps_per_epoch=each,
        steps=steps,
        tokens=tokens,
        flops=flops,
        hardware_flops=flops * again,
    )


def mfu_for(done: Work, hours: float, peak: float) -> float:
    """The utilization at which this work takes that many GPU-hours."""
    return done.flops / (peak * hours * 3600)


def mean_length_for(shape: Shape, recipe: TrainRecipe, done: Work, lengths: Lengths, budget: float) -> float:
    """The mean row length at which the training has `budget` operations, with all lengths scaled equally.

    Solves `tokens × (weights + attention × length) = budget`, which is quadratic in the length.
    """
    lora = recipe.method.lora
    rank = lora.rank if lora else None
    count = done.tokens / lengths.mean
    linear = count * shape.flops_per_token(0, rank=rank)
    square = (
        count * (shape.flops_per_token(lengths.context, rank=rank) - shape.flops_per_token(0, rank=rank)) / lengths.mean
    )
    return (math.sqrt(linear * linear + 4 * square * budget) - linear) / (2 * square) if square else budget / linear


@dataclass(frozen=True, slots=True)
class Change:
    """Recipe keys to set, and the resulting memory of the devices."""

    keys: dict[str, Any]
    need: Memory
    fits: bool

    def __str__(self) -> str:
        return " ".join(f"--set {key}={str(value).lower()}" for key, value in self.keys.items())


def advice(shape: Shape, recipe: TrainRecipe, room: int) -> list[Change]:
    """Changes of the recipe that reduce memory, the best first; `room` in bytes of one device.

    Single changes that fit come first, in the order of their cost in time. If none fits alone, the first suggestion is
    the shortest prefix of the ordered changes that fits when combined.
    """
    now = memory(shape, recipe).total
    singles = [
        change for keys in _lighter(shape, recipe) if (change := _changed(shape, recipe, keys, room)).need.total < now
    ]
    fitting = [change for change in singles if change.fits]
    others = sorted((change for change in singles if not change.fits), key=lambda change: change.need.total)
    if fitting:
        return fitting
    together: dict[str, Any] = {}
    for change in singles:
        together |= change.keys
        joined = _changed(shape, recipe, together, room)
        if joined.fits:
            return [joined, *others]
    return others


def _lighter(shape: Shape, recipe: TrainRecipe) -> Iterator[dict[str, Any]]:
    """Changes that reduce memory, from those that cost no time to those that change the result."""
    parallel, schedule = recipe.parallelism, recipe.schedule
    may_divide = not parallel.fsdp
    for stage in range(parallel.zero + 1, 4) if may_divide else ():
        yield {"parallelism.zero": stage}
    if schedule.micro_batch > 1:
        yield {"schedule.micro_batch": 1, "schedule.accumulation": schedule.accumulation * schedule.micro_batch}
    if not recipe.precision.gradient_checkpointing:
        yield {"precision.gradient_checkpointing": True}
    staged = {} if parallel.zero else {"parallelism.zero": 2}
    if may_divide and not parallel.offload_optimizer:
        yield {**staged, "parallelism.offload_optimizer": True}
    if may_divide and not parallel.offload_parameters:
        both = {"parallelism.offload_optimizer": True, "parallelism.offload_parameters": True}
        yield {"parallelism.zero": 3, **both}
    if may_divide and (parts := _parts(shape, recipe)):
        more = {"schedule.accumulation": schedule.accumulation * parts // parallel.context}
        yield {**staged, "parallelism.context": parts, **more}
    if schedule.max_length > 2048:
        yield {"schedule.max_length": schedule.max_length // 2}
    if recipe.method.lora is None:
        yield {"method.lora.rank": 16}


def _parts(shape: Shape, recipe: TrainRecipe) -> int | None:
    """The next larger number of devices that can share a sequence; None if there is none."""
    devices, context = recipe.parallelism.devices, recipe.parallelism.context
    if recipe.method.kind != "sft" or not recipe.method.packing or recipe.schedule.micro_batch > 1:
        return None
    kv_heads = shape.kv_heads
    fits = (
        parts
        for parts in range(context + 1, devices + 1)
        if devices % parts == 0 and parts % context == 0 and shape.heads % parts == 0
        if kv_heads % parts == 0 or parts % kv_heads == 0
    )
    return next(fits, None)


def _changed(shape: Shape, recipe: TrainRecipe, keys: dict[str, Any], room: int) -> Change:
    changed = with_changes(recipe.model_dump(exclude_none=True), (), keys)
    need = memory(shape, TrainRecipe.model_validate(changed))
    return Change(keys, need, need.total <= room * ROOMY)
