"""The text of `promptcot train --dry-run`: the plan, its cost, whether it fits, and the assumptions.

Decides the wording; the numbers come from `promptcot.training.forecast.dry_run`. A number that was neither counted nor
given by the recipe is marked as assumed, with its source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from promptcot.cli.report.tables import table
from promptcot.cli.report.training_units import count, item, sized
from promptcot.cli.report.training_work import effort
from promptcot.core import units
from promptcot.training.data.rows import on_the_hub
from promptcot.training.forecast.architecture import Shape
from promptcot.training.forecast.counting import CHARACTERS_PER_TOKEN, SPREAD, Counted
from promptcot.training.forecast.disk import Disk
from promptcot.training.forecast.dry_run import DryRun
from promptcot.training.forecast.memory import BUCKET, CONTEXT, DEEPSPEED_SLACK, Memory, deepspeed_host
from promptcot.training.forecast.methods import sequences_at_once, share_left
from promptcot.training.recipe import TrainRecipe

Size = tuple[str, int, str]
"""A name, a number of bytes, and their purpose."""

_SHOWN_CHANGES = 4


def lines(run: DryRun) -> Iterator[str]:
    """All lines about a dry run."""
    yield f"dry run of training {run.recipe.name}: no weights are loaded, and nothing is fetched or written"
    for section in (_plan, _memory, effort, _hints):
        yield ""
        yield from section(run)


def as_numbers(run: DryRun) -> dict[str, Any]:
    """The numbers of a dry run for --json; null where they are not known."""
    need, counted = run.memory, run.counted
    return {
        "recipe": run.recipe.name,
        "directory": run.recipe.directory,
        "parameters": run.shape.parameters if run.shape else None,
        "rows": counted.rows,
        "tokens_per_row": counted.lengths.mean if counted.lengths else None,
        "left_out": counted.left_out,
        "work": run.work,
        "devices": run.recipe.parallelism.devices,
        "device": run.device,
        "memory_bytes": need and {**asdict(need), "total": need.total},
        "fits": run.fits,
        "changes": [{"set": one.keys, "total": one.need.total, "fits": one.fits} for one in run.changes],
        "disk_bytes": run.disk and {**asdict(run.disk), "total": run.disk.total},
    }


def _plan(run: DryRun) -> Iterator[str]:
    recipe, counted = run.recipe, run.counted
    yield "plan"
    at = f" @ {recipe.model.revision[:12]}" if recipe.model.revision else ""
    size = f"{count(run.shape.parameters)} parameters," if run.shape else "size unknown:"
    yield item("model", f"{recipe.model.path}{at}: {size} {run.shape_from}")
    yield item("data", ", ".join(recipe.data.paths))
    yield from (item("", line) for line in (*counted.notes, *_counts(counted), *_lengths(recipe, counted)))
    yield item("method", _method(recipe, run.shape))
    yield item("schedule", _schedule(recipe))
    yield item("devices", _devices(recipe))
    yield item("output", str(recipe.directory))


def _counts(counted: Counted) -> Iterator[str]:
    """The number of rows and their length, with the source of each, or one source if it is the same."""
    rows, mean = counted.rows, None if counted.lengths is None else counted.lengths.mean
    if rows is not None and mean is not None and counted.rows_from == counted.lengths_from:
        yield f"{units.counted(rows, 'row')}, {mean:,.0f} tokens a row ({counted.rows_from})"
    else:
        yield _known(rows, "rows", counted.rows_from)
        yield _known(mean, "tokens a row", counted.lengths_from)
    if counted.left_out:
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in counted.left_out.items())
        yield f"left out, as in training: {reasons}"


def _known(value: float | None, what: str, source: str) -> str:
    return f"{what} not known: {source}" if value is None else f"{value:,.0f} {what} ({source})"


def _lengths(recipe: TrainRecipe, counted: Counted) -> Iterator[str]:
    """The effect of the window on the rows, and the assumed spread of their lengths."""
    found, window = counted.lengths, recipe.schedule.max_length
    if found is None:
        return
    if found.cut:
        longer = f"longer than {units.counted(window, 'token')}"
        yield f"{found.cut:.1%} of rows are {longer}: their completions are cut (method.overlong)"
    if found.kept < 1:
        why = "dropped, because a cut trace has no end (method.overlong)"
        yield f"{1 - found.kept:.1%} of rows are longer than {units.counted(window, 'token')}: they are {why}"
    if counted.lengths_from.startswith("assumed") and recipe.data.tokens_per_row and recipe.method.kind != "grpo":
        yield f"assumed: log-normal lengths with σ = {SPREAD:g}, up to the window"


def _method(recipe: TrainRecipe, shape: Shape | None) -> str:
    lora = recipe.method.lora
    learnt = "all weights are trained"
    if lora:
        adapters = f", {count(shape.adapter_parameters(lora.rank))} parameters" if shape else ""
        learnt = f"LoRA of rank {lora.rank}{adapters} (assumed on all matrices of the layers)"
    packed = "rows are packed into sequences of" if recipe.method.packing else "one row per sequence, up to"
    again = "activations recomputed" if recipe.precision.gradient_checkpointing else "activations kept"
    named = "" if recipe.method.kind == "sft" else f"{recipe.method.kind.upper()}; "
    return f"{named}{learnt}; {packed} {recipe.schedule.max_length:,} tokens; {recipe.precision.dtype}; {again}"


def _schedule(recipe: TrainRecipe) -> str:
    schedule = recipe.schedule
    length = (
        f"{units.counted(schedule.max_steps, 'step')}"
        if schedule.max_steps
        else f"{schedule.epochs:g} epoch{'s' * (schedule.epochs != 1)}"
    )
    warmup = f" after {units.counted(schedule.warmup_steps, 'step')} of warm-up" if schedule.warmup_steps else ""
    rate = f"learning rate {schedule.learning_rate:g}, {schedule.kind}{warmup}"
    return f"{length}; {rate}; weight decay {schedule.weight_decay:g}"


def _devices(recipe: TrainRecipe) -> str:
    parallel = recipe.parallelism
    plain = "PyTorch's FSDP2" if parallel.fsdp else "plain data parallelism"
    zero = f"DeepSpeed ZeRO stage {parallel.zero}" if parallel.zero else plain
    how = zero if parallel.devices > 1 or parallel.zero else "alone"
    if parallel.context > 1:
        how += f", {parallel.context} share each sequence (parallelism.context)"
    moved = {"optimizer": parallel.offload_optimizer, "parameters": parallel.offload_parameters}
    host = " and ".join(name for name, on in moved.items() if on)
    return f"{parallel.devices} × {recipe.hardware.device}, {how}{host and f', {host} on the host'}"


def _memory(run: DryRun) -> Iterator[str]:
    need = run.memory
    if need is None or run.shape is None:
        yield f"memory of each device: not computed, because the model's shape is not known ({run.shape_from})"
        return
    yield f"memory of each device, at {_tokens(run.recipe)} tokens (computed)"
    sizes = [*_states(run.recipe, need), *_moments(run.recipe, need), ("in all", need.total, _verdict(run, need))]
    sizes += [*_on_host(run, need), *_on_disk(run.recipe, run.disk)]
    yield from table(
        [("part", "size", "what it is"), *((name, sized(size), said) for name, size, said in sizes)], indent=2
    )
    if run.device is None and run.recipe.hardware.device != "cpu":
        yield f"  the memory of {run.recipe.hardware.device!r} is not known here: name a device in hardware.device"


def _tokens(recipe: TrainRecipe) -> str:
    """The number of tokens that a device processes at a time."""
    schedule, context = recipe.schedule, recipe.parallelism.context
    return f"{sequences_at_once(recipe)} × {schedule.max_length:,}" + f" / {context}" * (context > 1)


def _states(recipe: TrainRecipe, need: Memory) -> Iterator[Size]:
    """Memory used throughout: its number type, and whether it is sharded or offloaded."""
    parallel = recipe.parallelism
    half = "bfloat16" if recipe.precision.dtype == "bfloat16" and parallel.zero else "float32"
    added = parallel.grad_accum_dtype or half
    if recipe.method.lora and recipe.method.lora.bits:
        half = "NF4 in the layers, adapters beside them"
    adam = "float32 copy of the weights and Adam's two moments" if parallel.zero else "Adam's two moments, float32"
    parts = (("weights", need.weights, half, 3), ("gradients", need.gradients, added, 2))
    for name, size, kind, from_stage in (*parts, ("optimizer", need.optimizer, adam, 1)):
        divided = (parallel.zero >= from_stage or parallel.fsdp) and parallel.devices > 1
        where = f", divided by {parallel.devices}" if divided else ""
        yield name, size, kind + (where if size else ": on the host")


def _moments(recipe: TrainRecipe, need: Memory) -> Iterator[Size]:
    """Memory used within a step, and the overhead."""
    kept = "inputs of the layers" if recipe.precision.gradient_checkpointing else "everything the backward pass needs"
    yield "activations", need.kept, kept
    yield "  + a layer", need.layer, "the backward pass of one layer"
    loss = "a tile of logits, gradients of head and input; counts instead of the layer if larger"
    yield "  or the loss", need.logits, loss
    if need.drawing:
        yield "or sampling", need.drawing, "keys and values of the completions sampled together"
    if need.step:
        yield "or the step", need.step, "gradients in float32; counts instead of the activations if larger"
    yield "other", need.other, _other(recipe)


def _other(recipe: TrainRecipe) -> str:
    parallel = recipe.parallelism
    more = "; a copy of the gradients to exchange" if parallel.devices > 1 else ""
    if parallel.fsdp:
        more = "; two layers, head and embeddings, gathered by FSDP, and one layer's gradients"
    if parallel.zero:
        more = f"; DeepSpeed's buckets of {BUCKET:,} elements" + ", gathered parameters" * (parallel.zero == 3)
    return f"{sized(CONTEXT)} assumed for the device context and fragmentation{more}"


def _on_host(run: DryRun, need: Memory) -> Iterator[Size]:
    """Our estimate of host memory, and DeepSpeed's own."""
    if need.host:
        words = f"for all devices together, pinned: {_host(run.recipe)}; divide by the number of machines"
        yield "on the host", need.host, words
    if need.saving:
        yield "to save", need.saving, "on the first machine's host: a copy of all weights"
    told = None if run.shape is None else deepspeed_host(run.shape, run.recipe)
    if told:
        slack = f"{DEEPSPEED_SLACK:g} times its count, for buffers and loading"
        words = f"its own estimate for one machine's host: {slack}"
        yield "by DeepSpeed", told, words


def _on_disk(recipe: TrainRecipe, found: Disk | None) -> Iterator[Size]:
    if found is None:
        return
    checkpoints = units.counted(recipe.checkpoints.keep, "checkpoint")
    kept = f"{checkpoints} of {sized(found.checkpoint)}, and one more while it is written"
    yield "on disk", found.total, "in all, as far as it is known:"
    yield "  checkpoints", found.checkpoints, kept
    yield "  the model", found.model, _saved(recipe)
    if found.base:
        yield "  the base", found.base, "in the cache of the Hub, assumed in bfloat16"
    if found.tokens is not None:
        yield "  tokens", found.tokens, "in $PROMPTCOT_CACHE, for the next start"
    if found.data is not None:
        where = "in the cache of the Hub: files and Arrow" if found.fetched else "the files of data.path"
        guess = f", assumed: {CHARACTERS_PER_TOKEN:g} characters per token" if found.assumed else ""
        yield "  data", found.data, where + guess


def _saved(recipe: TrainRecipe) -> str:
    """What is saved at the end, and in which number type."""
    saved = recipe.method.lora.save if recipe.method.lora else "merged"
    model = f"in {recipe.precision.dtype}"
    return {"merged": model, "adapter": "its adapters alone, in float32", "both": f"{model}, and its adapters"}[saved]


def _host(recipe: TrainRecipe) -> str:
    optimizer = "the optimizer's 16 bytes per trained parameter"
    parts = {optimizer: recipe.parallelism.offload_optimizer, "weights": recipe.parallelism.offload_parameters}
    return " and ".join(name for name, there in parts.items() if there)


def _verdict(run: DryRun, need: Memory) -> str:
    if run.device is None:
        return ""
    share = f"{need.total / run.device.memory:.0%} of the {sized(run.device.memory)} of {run.device.name}"
    if (left := share_left(run.recipe)) < 1:
        share += f", of which vLLM has {1 - left:.0%} (method.grpo.vllm_memory)"
    if not run.fits:
        return f"DOES NOT FIT: {share}"
    return f"fits: {share}" if need.total <= 0.9 * run.device.memory else f"fits, but barely: {share}"


def _hints(run: DryRun) -> Iterator[str]:
    """Ways to make it fit, and the command to start."""
    if run.changes:
        yield "to make it fit, the best first" if run.changes[0].fits else "nothing here makes it fit; nearest first"
        for change in run.changes[:_SHOWN_CHANGES]:
            yield f"  {change}"
            host = f", and {sized(change.need.on_host)} on the host" if change.need.on_host else ""
            yield f"      {sized(change.need.total)} a device{host}: {'fits' if change.fits else 'still too much'}"
        yield ""
    for data in run.recipe.data.sources:
        hub = [path for path in data.path if on_the_hub(path)]
        if hub and data.revision is None:
            how = "`revision` beside its path in data.mix" if run.recipe.data.mix else "--set data.revision=COMMIT"
            yield f"Before it starts, {hub[0]} needs its commit:"
            yield f"  {how} (40 hex digits, from the history on its page)"
    yield "Formulas and sources: docs/training.md. The same command without --dry-run starts the training."
