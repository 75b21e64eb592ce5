"""What `promptcot train --dry-run` prints: the plan, what it takes, whether it fits, and what is only assumed.

Decides the words; the numbers come from `promptcot.training.forecast.dry_run`. Every number that was neither counted
nor given by the recipe is said to be assumed, with its source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.cli.report.layout import hanging
from promptcot.training.forecast.architecture import Shape
from promptcot.training.forecast.counting import Counted
from promptcot.training.forecast.devices import GIB
from promptcot.training.forecast.dry_run import DryRun
from promptcot.training.forecast.estimate import PACKED, Work, mean_length_for, mfu_for
from promptcot.training.forecast.memory import BUCKET, CONTEXT, Memory, checkpoint_bytes
from promptcot.training.forecast.methods import sequences_at_once, share_left
from promptcot.training.recipe import TrainRecipe

Size = tuple[str, int, str]
"""A name, bytes, and what they are for."""

_SHOWN_CHANGES = 4
_EXAMPLE_ROWS = 100_000


def lines(run: DryRun) -> Iterator[str]:
    """Everything about a dry run, ready to print."""
    yield f"promptcot train {run.recipe.name}: a dry run. No weights are loaded, nothing is fetched or written."
    for section in (_plan, _memory, _effort, _hints):
        yield ""
        yield from section(run)


def _item(name: str, text: str) -> str:
    """A name and what is said of it, wrapped under itself."""
    return hanging(f"  {name:<14}", text)


def _plan(run: DryRun) -> Iterator[str]:
    recipe, counted = run.recipe, run.counted
    yield "plan"
    at = f" @ {recipe.model.revision[:12]}" if recipe.model.revision else ""
    size = f"{_count(run.shape.parameters)} parameters," if run.shape else "size unknown:"
    yield _item("model", f"{recipe.model.path}{at}: {size} {run.shape_from}")
    yield _item("data", ", ".join(recipe.data.path))
    yield from (_item("", line) for line in (*counted.notes, *_counts(counted), *_lengths(recipe, counted)))
    yield _item("method", _method(recipe, run.shape))
    yield _item("schedule", _schedule(recipe))
    yield _item("devices", _devices(recipe))
    yield _item("output", str(recipe.directory))


def _counts(counted: Counted) -> Iterator[str]:
    """Rows and their length, with where each is from; once where both are from the same."""
    rows, mean = counted.rows, None if counted.lengths is None else counted.lengths.mean
    if rows is not None and mean is not None and counted.rows_from == counted.lengths_from:
        yield f"{rows:,} rows, {mean:,.0f} tokens a row ({counted.rows_from})"
    else:
        yield _known(rows, "rows", counted.rows_from)
        yield _known(mean, "tokens a row", counted.lengths_from)
    if counted.left_out:
        reasons = ", ".join(f"{count:,} × {reason}" for reason, count in counted.left_out.items())
        yield f"left out, as the training would leave them out: {reasons}"


def _known(value: float | None, what: str, source: str) -> str:
    return f"{what} not known: {source}" if value is None else f"{value:,.0f} {what} ({source})"


def _lengths(recipe: TrainRecipe, counted: Counted) -> Iterator[str]:
    """What the window does to the rows, and what is assumed of their spread."""
    found, window = counted.lengths, recipe.schedule.max_length
    if found is None:
        return
    if found.cut:
        yield f"{found.cut:.1%} of rows are longer than {window:,} tokens: their completions are cut (method.overlong)"
    if found.kept < 1:
        yield f"{1 - found.kept:.1%} of rows are longer than {window:,} tokens: they are dropped (method.overlong)"
    if not counted.measured and found.context == found.mean:
        yield "assumed: all rows are about that long; where lengths spread, attention costs more"
    if not recipe.method.packing and recipe.schedule.micro_batch > 1:
        known = f"{found.padded:.2f} tokens are computed for each real one" if counted.measured else "not counted here"
        yield f"padding to the longest row of each {recipe.schedule.micro_batch}: {known}"


def _method(recipe: TrainRecipe, shape: Shape | None) -> str:
    lora = recipe.method.lora
    learnt = "all weights learn"
    if lora:
        adapters = f", {_count(shape.adapter_parameters(lora.rank))} parameters" if shape else ""
        learnt = f"LoRA of rank {lora.rank}{adapters} (if on all matrices of the layers)"
    packed = "rows are packed into sequences of" if recipe.method.packing else "one row a sequence, up to"
    again = "activations computed again" if recipe.precision.gradient_checkpointing else "activations kept"
    named = "" if recipe.method.kind == "sft" else f"{recipe.method.kind.upper()}; "
    return f"{named}{learnt}; {packed} {recipe.schedule.max_length:,} tokens; {recipe.precision.dtype}; {again}"


def _schedule(recipe: TrainRecipe) -> str:
    schedule = recipe.schedule
    bound = f", at most {schedule.max_steps:,} steps" if schedule.max_steps else ""
    return (
        f"{schedule.epochs:g} epochs{bound}; learning rate {schedule.learning_rate:g}, {schedule.kind} after "
        f"{schedule.warmup_steps:,} steps of warm-up; weight decay {schedule.weight_decay:g}"
    )


def _devices(recipe: TrainRecipe) -> str:
    parallel = recipe.parallelism
    zero = f"DeepSpeed ZeRO stage {parallel.zero}" if parallel.zero else "plain data parallelism"
    how = zero if parallel.devices > 1 or parallel.zero else "alone"
    moved = {"optimizer": parallel.offload_optimizer, "parameters": parallel.offload_parameters}
    host = " and ".join(name for name, on in moved.items() if on)
    return f"{parallel.devices} × {recipe.hardware.device}, {how}{host and f', {host} on the host'}"


def _memory(run: DryRun) -> Iterator[str]:
    need, schedule = run.memory, run.recipe.schedule
    if need is None or run.shape is None:
        yield f"memory of each device: not computed, as the model's shape is not known ({run.shape_from})"
        return
    at_once = sequences_at_once(run.recipe)
    yield f"memory of each device, at {at_once} × {schedule.max_length:,} tokens (computed)"
    disk, keep = checkpoint_bytes(run.shape, run.recipe), run.recipe.checkpoints.keep
    sizes = [*_states(run.recipe, need), *_moments(run.recipe, need), ("in all", need.total, _verdict(run, need))]
    if need.host:
        words = f"for all devices together, pinned: {_host(run.recipe)}; divide by the number of machines"
        sizes.append(("on the host", need.host, words))
    if need.saving:
        sizes.append(("  and to save", need.saving, "a copy of all weights, on the first machine"))
    words = f"{keep} checkpoints of {_bytes(disk)}, and one more while it is written"
    for name, size, said in [*sizes, ("on disk", disk * (keep + 1), words)]:
        head = f"  {name:<14}{_bytes(size):>10}   "
        yield hanging(head, said) or head.rstrip()
    if run.device is None and run.recipe.hardware.device != "cpu":
        yield f"  the memory of {run.recipe.hardware.device!r} is not known here: name a device in hardware.device"


def _states(recipe: TrainRecipe, need: Memory) -> Iterator[Size]:
    """What is always there: what kind of number it is, and whether it is divided or elsewhere."""
    parallel = recipe.parallelism
    half = "bfloat16" if recipe.precision.dtype == "bfloat16" and parallel.zero else "float32"
    adam = "float32 copy of the weights and Adam's two numbers" if parallel.zero else "Adam's two numbers, float32"
    parts = (("weights", need.weights, half, 3), ("gradients", need.gradients, half, 2))
    for name, size, kind, from_stage in (*parts, ("optimizer", need.optimizer, adam, 1)):
        divided = parallel.zero >= from_stage and parallel.devices > 1
        where = f", divided by {parallel.devices}" if divided else ""
        yield name, size, kind + (where if size else ": on the host")


def _moments(recipe: TrainRecipe, need: Memory) -> Iterator[Size]:
    """What comes and goes in a step, and what is beside it."""
    kept = "inputs of the layers" if recipe.precision.gradient_checkpointing else "everything the backward pass needs"
    yield "activations", need.kept, kept
    yield "  + a layer", need.layer, "the backward pass of one layer"
    loss = "a tile of logits, gradients of head and input: comes earlier, the larger counts"
    yield "  or the loss", need.logits, loss
    if need.drawing:
        yield "or drawing", need.drawing, "keys and values of the completions that are drawn together"
    if need.step:
        yield "or the step", need.step, "gradients in float32: comes when activations are gone, the larger counts"
    yield "other", need.other, _other(recipe)


def _other(recipe: TrainRecipe) -> str:
    parallel = recipe.parallelism
    more = "; a copy of the gradients to exchange" if parallel.devices > 1 else ""
    if parallel.zero:
        more = f"; DeepSpeed's buckets of {BUCKET:,} elements" + ", gathered parameters" * (parallel.zero == 3)
    return f"{_bytes(CONTEXT)} assumed for context and gaps{more}"


def _host(recipe: TrainRecipe) -> str:
    optimizer = "the optimizer's 16 bytes a learnt parameter"
    parts = {optimizer: recipe.parallelism.offload_optimizer, "weights": recipe.parallelism.offload_parameters}
    return " and ".join(name for name, there in parts.items() if there)


def _verdict(run: DryRun, need: Memory) -> str:
    if run.device is None:
        return ""
    share = f"{need.total / run.device.memory:.0%} of the {_bytes(run.device.memory)} of {run.device.name}"
    if (left := share_left(run.recipe)) < 1:
        share += f", of which vLLM has {1 - left:.0%} (method.grpo.vllm_memory)"
    if not run.fits:
        return f"DOES NOT FIT: {share}"
    return f"fits: {share}" if need.total <= 0.9 * run.device.memory else f"fits, but barely: {share}"


def _effort(run: DryRun) -> Iterator[str]:
    done = run.work or run.work_of(_EXAMPLE_ROWS)
    if done is None:
        yield f"work not computed: {run.shape_from if run.shape is None else run.counted.lengths_from}"
        yield _item("each step", _batch(run.recipe))
        return
    yield "work" if run.work else f"work: not known, as the rows are not; if there were {_EXAMPLE_ROWS:,} rows"
    yield from _steps(run, done)
    yield from _hours(run, done)


def _batch(recipe: TrainRecipe) -> str:
    schedule, names = recipe.schedule, {"dpo": "pairs", "grpo": "completions"}
    kind = names.get(recipe.method.kind, "packed sequences" if recipe.method.packing else "rows")
    return (
        f"{recipe.sequences_per_step:,} {kind} = {_devices_of(recipe)} × {schedule.micro_batch} at a time × "
        f"{schedule.accumulation} accumulated"
    )


def _devices_of(recipe: TrainRecipe) -> str:
    devices = recipe.parallelism.devices
    return f"{devices:,} device{'s' * (devices > 1)}"


def _steps(run: DryRun, done: Work) -> Iterator[str]:
    recipe, per_step = run.recipe, done.tokens / done.steps
    mean = run.counted.lengths.mean if run.counted.lengths else 0.0
    yield _item("each step", f"{_batch(recipe)}; about {per_step / mean:,.0f} rows, {_count(per_step)} tokens")
    packed = f"{done.sequences:,} packed sequences (assumed: {PACKED:.0%} full), " if recipe.method.packing else ""
    yield _item("an epoch", f"{done.rows:,} rows, {packed}{done.steps_per_epoch:,} steps")
    yield _item("in all", f"{done.steps:,} steps, {_count(done.tokens)} tokens")
    warmup, every = recipe.schedule.warmup_steps, recipe.checkpoints.every
    if warmup * 2 > done.steps:
        yield _item("", f"note: {warmup:,} of these steps are warm-up; lower schedule.warmup_steps")
    if every > done.steps:
        yield _item("", f"note: no checkpoint before the end; lower checkpoints.every ({every:,})")


def _hours(run: DryRun, done: Work) -> Iterator[str]:
    recipe, device = run.recipe, run.device
    again = f"; {done.hardware_flops:.2g} with what is computed again" if done.hardware_flops > done.flops else ""
    yield _item("operations", f"{done.flops:.3g}: 6 a weight and token, and attention (PaLM, appendix B){again}")
    if device is None:
        yield _item("time", f"not computed: the peak of {recipe.hardware.device!r} is not known")
        return
    hours = done.gpu_hours(device.flops, recipe.hardware.mfu)
    wall = hours / recipe.parallelism.devices
    took = f"{_hour(hours)}: {_hour(wall)} on {_devices_of(recipe)}, {wall * 3600 / done.steps:,.1f} s a step"
    peak = f"an MFU of {recipe.hardware.mfu:.0%} (hardware.mfu) of {device.flops / 1e12:,.0f} TFLOP/s"
    yield _item("GPU-hours", f"{took}. Assumed: {peak}")
    if recipe.precision.dtype == "float32":
        yield _item("", "note: that peak is bfloat16's; float32 takes several times as long")
    if not device.bfloat16:
        note = f"{device.name} has no units for bfloat16; the peak is float16's, which it will not reach"
        yield _item("", f"note: {note}")
    yield from _published(run, done, hours, device.flops)


def _published(run: DryRun, done: Work, hours: float, peak: float) -> Iterator[str]:
    """Our hours beside published ones, and what would explain the difference."""
    published = run.recipe.hardware.published_gpu_hours
    if published is None or run.shape is None or run.counted.lengths is None or run.work is None:
        return
    mfu = run.recipe.hardware.mfu
    budget = published * 3600 * peak * mfu
    length = mean_length_for(run.shape, run.recipe, done, run.counted.lengths, budget)
    reasons = f"an MFU of {mfu_for(done, published, peak):.0%} with rows of this length"
    if length <= run.recipe.schedule.max_length:
        reasons += f", or rows of {length:,.0f} tokens on average at {mfu:.0%}"
    times = f"{published / hours:.1f} times as many"
    yield _item("published", f"{published:,g} GPU-hours, {times}. That would be {reasons}")


def _hints(run: DryRun) -> Iterator[str]:
    """What to do about it, and how to start."""
    if run.changes:
        yield "to make it fit, the best first" if run.changes[0].fits else "nothing here makes it fit; nearest first"
        for change in run.changes[:_SHOWN_CHANGES]:
            yield f"  {change}"
            host = f", and {_bytes(change.need.on_host)} of the host" if change.need.on_host else ""
            yield f"      {_bytes(change.need.total)} a device{host}: {'fits' if change.fits else 'still too much'}"
        yield ""
    data = run.recipe.data
    hub = [path for path in data.path if not Path(path).suffix and not Path(path).exists()]
    if hub and data.revision is None:
        yield f"Before it starts, {hub[0]} needs its commit:"
        yield "  --set data.revision=COMMIT (40 hex digits, from the history on its page)"
    yield "Formulas and sources: docs/recipes.md. The same command without --dry-run starts the training."


def _count(number: float) -> str:
    """A number as 1.78 B, 24.5 M, or in full below a hundred thousand."""
    for unit, size in ((" T", 1e12), (" B", 1e9), (" M", 1e6)):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return f"{number:,.0f}"


def _bytes(size: float) -> str:
    if size >= 1000 * GIB:
        return f"{size / GIB / 1024:,.2f} TiB"
    return f"{size / GIB:,.1f} GiB" if size >= 0.05 * GIB or size == 0 else f"{size / (1 << 20):,.1f} MiB"


def _hour(hours: float) -> str:
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.1f} h" if hours >= 0.1 else f"{hours * 60:.1f} min"
