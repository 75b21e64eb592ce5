"""The work of a training run as text: steps, rows, tokens and GPU-hours, compared with published ones.

Decides the wording; the numbers come from `promptcot.training.forecast`. Hours are an interval, as the MFU is, printed
with what they leave out.
"""

from __future__ import annotations

from collections.abc import Iterator

from promptcot.cli.report.training_units import count, hours, item
from promptcot.core.units import counted
from promptcot.training.forecast.dry_run import DryRun
from promptcot.training.forecast.estimate import PACKED, Lengths, Work, mean_length_for, mfu_for
from promptcot.training.published import rate_note
from promptcot.training.recipe import TrainRecipe

_EXAMPLE_ROWS = 100_000


def effort(run: DryRun) -> Iterator[str]:
    """Steps, operations and hours; for a round number of rows if the number is unknown."""
    done = run.work or run.work_of(_EXAMPLE_ROWS)
    if done is None:
        yield f"work not computed: {run.shape_from if run.shape is None else run.counted.lengths_from}"
        yield item("each step", _batch(run.recipe))
        yield from _published_steps(run, None)
        return
    yield "work" if run.work else f"work for {counted(_EXAMPLE_ROWS, 'row')}, because the number of rows is unknown"
    yield from _steps(run, done)
    yield from _hours(run, done)


def _batch(recipe: TrainRecipe) -> str:
    """The size of a step, by `schedule.step_by`, and its factors."""
    schedule, packs = recipe.schedule, recipe.rows_per_step is None
    shared = f" / context {recipe.parallelism.context}" * (recipe.parallelism.context > 1)
    product = (
        f"{devices_of(recipe)}{shared} × micro_batch {schedule.micro_batch} × accumulation {schedule.accumulation}"
    )
    if recipe.method.kind != "sft":
        kind = {"dpo": "pairs", "grpo": "completions"}[recipe.method.kind]
        return f"{recipe.sequences_per_step:,} {kind} = {product}"
    if packs:
        return f'{recipe.sequences_per_step:,} packed sequences = {product} (schedule.step_by = "sequences")'
    how = f"packed into micro-batches of at most {counted(schedule.micro_batch * schedule.max_length, 'token')}"
    told = f' (schedule.step_by = "rows"), {how}' if recipe.method.packing else ", padded"
    return f"{counted(recipe.sequences_per_step, 'row')} = {product}{told}"


def devices_of(recipe: TrainRecipe) -> str:
    """The number of devices as text."""
    devices = recipe.parallelism.devices
    return counted(devices, "device")


def _steps(run: DryRun, done: Work) -> Iterator[str]:
    recipe, per_step = run.recipe, done.tokens / done.steps
    packs = recipe.rows_per_step is None and recipe.method.packing
    mean = run.counted.lengths.mean if run.counted.lengths else 0.0
    rows = per_step / mean
    yield item(
        "each step",
        f"{_batch(recipe)}; about {f'{rows:,.0f} rows, ' * packs}{count(per_step)} tokens",
    )
    packed = f"{counted(done.sequences, 'packed sequence')} (assumed: {PACKED:.0%} full), " if packs else ""
    yield item("an epoch", f"{counted(done.rows, 'row')}, {packed}{counted(done.steps_per_epoch, 'step')}")
    yield item("in all", f"{counted(done.steps, 'step')}, {count(done.tokens)} tokens")
    yield from _published_steps(run, mean)
    if note := rate_note(recipe, float(recipe.rows_per_step or rows)):
        yield item("", f"note: {note}")
    warmup, every = recipe.schedule.warmup_steps, recipe.checkpoints.every
    if warmup * 2 > done.steps:
        yield item("", f"note: {warmup:,} of these steps are warm-up; lower schedule.warmup_steps")
    if every > done.steps:
        yield item("", f"note: no checkpoint before the end; lower checkpoints.every ({every:,})")


def _published_steps(run: DryRun, mean: float | None) -> Iterator[str]:
    """The steps of the published training, for comparison."""
    told = run.recipe.published
    if told.rows_per_step is None:
        return
    steps = (
        f"{counted(told.steps, 'step')} of {counted(told.rows_per_step, 'row')}"
        if told.steps
        else f"{counted(told.rows_per_step, 'row')} a step"
    )
    tokens = f", about {count(told.rows_per_step * mean)} tokens each at this length" if mean else ""
    yield item("published", f"{steps}{tokens}{f' ({told.source})' if told.source else ''}")


def _hours(run: DryRun, done: Work) -> Iterator[str]:
    recipe, device, lengths = run.recipe, run.device, run.counted.lengths
    again = f"; {done.hardware_flops:.2g} with recomputation" if done.hardware_flops > done.flops else ""
    yield item("operations", f"{done.flops:.3g}: 6 per weight and token, plus attention (PaLM, appendix B){again}")
    if device is None or lengths is None:
        yield item("time", f"not computed: the peak of {recipe.hardware.device!r} is not known")
        return
    packing = recipe.method.packing
    ways = [("GPU-hours", packing), ("", not packing)]
    for name, packed in ways if recipe.method.kind == "sft" else ways[:1]:  # pairs and rollouts are never packed
        yield item(name, _way(recipe, done, _ends(recipe, done, device.flops, lengths, packed), lengths, packed))
    source = recipe.hardware.mfu_source or "no source is given"
    yield item("", f"assumed: an MFU of {_mfu(recipe)} (hardware.mfu) of {device.flops / 1e12:,.0f} TFLOP/s: {source}")
    if recipe.precision.dtype == "float32":
        yield item("", "note: this is the peak of bfloat16; float32 takes several times as long")
    if not device.bfloat16:
        note = (
            f"{device.name} has no units for bfloat16; the peak used here is that of float16, which a training run "
            "will not reach"
        )
        yield item("", f"note: {note}")
    yield from _published_hours(run, done, lengths, device.flops)


def _ends(recipe: TrainRecipe, done: Work, peak: float, lengths: Lengths, packed: bool) -> list[float]:
    """GPU-hours at both ends of the MFU interval, the lower number first."""
    longer = lengths.packed if packed else lengths.padded
    return [done.gpu_hours(peak, mfu) * longer for mfu in reversed(recipe.hardware.mfu)]


def _way(recipe: TrainRecipe, done: Work, ends: list[float], lengths: Lengths, packed: bool) -> str:
    """The hours with one way of making micro-batches: the recipe's, or the other one."""
    wall = [end / recipe.parallelism.devices for end in ends]
    way, longer = ("packed", lengths.packed) if packed else ("padded", lengths.padded)
    waiting = (
        f"{longer:.2f} times the time for the tokens alone, because of {'' if packed else 'padding and '}"
        "waiting for the fullest batch"
    )
    if packed != recipe.method.packing:
        return f"{way} instead: {_interval(ends)} ({waiting})"
    each = "–".join(dict.fromkeys(f"{end * 3600 / done.steps:,.1f}" for end in wall))
    return f"{way}: {_interval(ends)}, or {_interval(wall)} on {devices_of(recipe)}, {each} s per step ({waiting})"


def _interval(ends: list[float]) -> str:
    low, high = map(hours, ends)
    same = low.rpartition(" ")[2] == high.rpartition(" ")[2]
    return low if low == high else f"{low.rpartition(' ')[0] if same else low}–{high}"


def _mfu(recipe: TrainRecipe) -> str:
    low, high = recipe.hardware.mfu
    return f"{low:.0%}" if low == high else f"{low:.0%}–{high:.0%}"


def _published_hours(run: DryRun, done: Work, lengths: Lengths, peak: float) -> Iterator[str]:
    """Our hours compared with published ones, and what could explain the difference."""
    recipe, told = run.recipe, run.recipe.published
    if told.gpu_hours is None or run.shape is None or run.work is None:
        return
    way, longer = ("packed", lengths.packed) if told.packing else ("padded", lengths.padded)
    ends = _ends(recipe, done, peak, lengths, told.packing)
    head = f"{told.gpu_hours:,g} GPU-hours, {way}"
    if ends[0] <= told.gpu_hours <= ends[1]:
        yield item("published", f"{head}: within the range computed for {way} rows")
        return
    times = "–".join(dict.fromkeys(f"{told.gpu_hours / end:.1f}" for end in reversed(ends)))
    low, alone = recipe.hardware.mfu[0], told.gpu_hours / longer
    reasons = f"an MFU of {mfu_for(done, alone, peak):.0%} with rows of this length"
    length = mean_length_for(run.shape, recipe, done, lengths, alone * 3600 * peak * low)
    if length <= recipe.schedule.max_length:
        reasons += f", or rows of {length:,.0f} tokens on average at {low:.0%}"
    yield item("published", f"{head}: {times} times the computed hours. Possible explanation: {reasons}")
