"""Monitors a training run: a log of JSON lines, progress lines, a plot of the loss, samples at checkpoints.

Decides what is counted and how. Tokens are real ones (no padding), summed over all processes. Rates exclude the time
for evaluation, saving and sampling. MFU is the share of the devices' peak that the model's own arithmetic reaches (A.
Chowdhery et al., PaLM, arXiv 2204.02311, appendix B): recomputed activations do not count. Progress lines are passed to
a callback; nothing is printed here. `curves` draws the plot.
"""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import torch
from transformers import TrainerCallback

from promptcot.core.units import counted, duration
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.atomic import storing
from promptcot.training.best.deciding import PASS_AT_1
from promptcot.training.data.stop_tokens import end_ids
from promptcot.training.files import LOG, PLOT, SAMPLES
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report import curves, pass_at_1, samples
from promptcot.training.report.logfile import LogFile

_COUNTS = ("tokens", "completion_tokens", "seconds")
_COPIED = (
    *("loss", "learning_rate", "grad_norm", "mean_token_accuracy", "order"),
    *("reward", "reward_std", "frac_reward_zero_std", "kl", "entropy"),
)
_GROUPS = ("reason/", "rewards/", "logps/", "completions/", "clip_ratio/", "sampling/")
"""Prefixes of the metrics that TRL's trainers log for pairs, completions and rewards."""


@dataclass
class Meter:
    """The tokens that this process has trained on since its start: all without padding, and those of completions."""

    tokens: int = 0
    completion_tokens: int = 0

    def add(self, tokens: int, completion_tokens: int) -> None:
        """Add one micro-batch of training."""
        self.tokens += tokens
        self.completion_tokens += completion_tokens


@dataclass(frozen=True)
class Scale:
    """The reference values for the counts.

    `flops_per_token` are the operations of a forward and a backward pass, `peak` those that one device reaches in a
    second; without either there is no MFU. `epochs` is the number of passes over the data in what the trainer counts as
    one epoch.
    """

    flops_per_token: float | None = None
    peak: float | None = None
    epochs: float = 1.0


class Shown(Protocol):
    """The rows for which samples are generated, by number."""

    def __len__(self) -> int: ...

    def id(self, i: int, /) -> str:
        """The id of a row."""

    def row(self, i: int, /) -> tuple[Any, int]:
        """The ids of a prompt and of what may follow it, and the number of the prompt's."""


class Watcher(TrainerCallback):  # type: ignore[misc]
    """The callback. Add it to the trainer of every process, and let the trainer report each micro-batch to `meter`.

    `store` has the rows for which samples are generated: those of validation, or else of training. `say` receives
    progress lines, in the first process only; `now` is the clock.

    Lines of the log have an `event` (`started`, `resumed`, `logged`, `evaluated`, `saved`, `finished`) and a `step`.
    Seconds are those of all starts together; tokens too, as far as the log has those of earlier starts.
    """

    def __init__(
        self,
        recipe: TrainRecipe,
        tokenizer: Any,
        store: Shown,
        scale: Scale,
        say: Callable[[str], None],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.meter = Meter()
        self._recipe, self._tokenizer, self._store, self._scale = recipe, tokenizer, store, scale
        self._say, self._now = say, now
        self._log, self._samples = LogFile(recipe.directory / LOG), LogFile(recipe.directory / SAMPLES)
        self._before: Row = dict.fromkeys(_COUNTS, 0)  # the counts of earlier starts, over all processes
        self._begun = self._stepped = now()
        self._aside = 0.0  # seconds of this start outside of steps
        self._first_step = 0
        self._last = (0, 0.0)  # tokens of this start and seconds of its steps, at the previous line
        self._noted: set[str] = set()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Truncate the log to the resumed step, and report the start."""
        self._begun = self._stepped = self._now()
        self._first_step = state.global_step
        if not state.is_world_process_zero:
            return
        kept = self._log.cut(state.global_step)
        self._samples.cut(state.global_step)
        self._before = next((line for line in reversed(kept) if "tokens" in line), self._before)
        event = "resumed" if state.global_step else "started"
        device = _device(args)
        self._write(state, event, {"devices": args.world_size, "device": device, "time": _time()})
        where = f"from step {state.global_step:,} of" if state.global_step else "to take"
        self._say(f"{event}: {where} {counted(state.max_steps, 'step')} on {args.world_size} × {device}")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Time until the next step belongs to no step, unless it is logging."""
        self._stepped = self._now()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """A line of the log, with the tokens of all processes."""
        logs = logs or {}
        if "loss" in logs:
            self._on_loss(args, state, logs)
        elif "eval_loss" in logs and state.is_world_process_zero:
            self._write(state, "evaluated", _some(logs, "eval_loss", "eval_mean_token_accuracy"))
            self._say(f"{_step(state)}  validation loss {logs['eval_loss']:.4g}")
        elif PASS_AT_1 in logs:
            self._on_pass_at_1(state, logs)

    def _on_pass_at_1(self, state: Any, logs: Mapping[str, Any]) -> None:
        """The result of a benchmark; its time does not count for steps."""
        if state.is_world_process_zero:
            watched = self._recipe.watch.eval
            line = {"benchmark": watched and watched.recipe, **pass_at_1.line(logs)}
            self._write(state, "evaluated", line)
            self._say(f"{_step(state)}  {pass_at_1.human(line)}")
        self._set_aside()

    def _on_loss(self, args: Any, state: Any, logs: Mapping[str, Any]) -> None:
        counts = self._counts(args)
        if not state.is_world_process_zero:
            return
        rates = self._rates(counts["tokens"] - self._before["tokens"], args.world_size)
        grouped = {name: value for name, value in logs.items() if name.startswith(_GROUPS)}
        line = {**_some(logs, *_COPIED), **grouped, **counts, **rates, "memory_bytes": _memory()}
        self._write(state, "logged", line)
        self._say(human(state.global_step, state.max_steps, line, self._seconds_left(state)))

    def _rates(self, tokens: int, devices: int) -> Row:
        """Tokens per second, and MFU, since the previous line."""
        seconds = self._now() - self._begun - self._aside
        rate = (tokens - self._last[0]) / max(seconds - self._last[1], 1e-9)
        self._last = (tokens, seconds)
        needed, peak = self._scale.flops_per_token, self._scale.peak
        return {"tokens_per_s": rate, "mfu": rate * needed / (peak * devices) if needed and peak else None}

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The time of the evaluation does not count for steps."""
        self._set_aside()

    def on_save(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """A log line, samples, and the plot so far."""
        counts = self._counts(args)
        self._draw_samples(state, model)
        if state.is_world_process_zero:
            self._write(state, "saved", counts)
            self._say(f"{_step(state)}  checkpoint saved")
            self._draw_plot()
        self._set_aside()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The last line, and the final plot."""
        counts = self._counts(args)
        if state.is_world_process_zero:
            self._write(state, "finished", {**counts, "time": _time()})
            self._draw_plot()
            done = f"{counted(counts['tokens'], 'token')} in {duration(counts['seconds'])}"
            self._say(f"finished: {counted(state.global_step, 'step')}, {done}")

    def _set_aside(self) -> None:
        now = self._now()
        self._aside += now - self._stepped
        self._stepped = now

    def _counts(self, args: Any) -> Row:
        """Tokens so far over all processes; every process must call it, and only the first includes earlier starts."""
        counts = torch.tensor([self.meter.tokens, self.meter.completion_tokens], dtype=torch.int64)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            counts = counts.to(args.device)
            torch.distributed.all_reduce(counts)
        new = [*counts.tolist(), self._now() - self._begun]
        return {name: round(self._before[name] + more, 3) for name, more in zip(_COUNTS, new, strict=True)}

    def _seconds_left(self, state: Any) -> float | None:
        taken = state.global_step - self._first_step
        return (state.max_steps - state.global_step) * (self._now() - self._begun) / taken if taken else None

    def _draw_samples(self, state: Any, model: Any) -> None:
        """At most `watch.samples` rows, the same ones at each checkpoint, with the same seed."""
        parallelism, first = self._recipe.parallelism, state.is_world_process_zero
        count = min(self._recipe.watch.samples, len(self._store))
        if not count or model is None:
            return
        divided = parallelism.divides_weights
        if not parallelism.offload_parameters and (first or divided):
            self._sample(state, model, count, together=divided)
        elif first:
            self._note("note: no samples are drawn, because each token would load all parameters from the CPU")

    def _sample(self, state: Any, model: Any, count: int, together: bool) -> None:
        rows = [self._store.row(place) for place in range(count)]
        drawn = samples.complete(
            model,
            [ids[:length].tolist() for ids, length in rows],
            stop=end_ids(model.generation_config, self._tokenizer),
            limit=self._recipe.watch.sample_tokens,
            seed=self._recipe.seed,
            together=together and torch.distributed.is_initialized(),
        )
        if not state.is_world_process_zero:
            return
        decode = self._tokenizer.decode
        for place, ((ids, length), new) in enumerate(zip(rows, drawn, strict=True)):
            line = {"step": state.global_step, "id": self._store.id(place), "prompt": decode(ids[:length])}
            line["completion"] = decode(new, skip_special_tokens=True)
            line["reference"] = decode(ids[length:], skip_special_tokens=True)
            self._samples.append(line)

    def _draw_plot(self) -> None:
        try:
            with storing(self._recipe.directory / PLOT):
                curves.draw(self._log.path, self._recipe.directory / PLOT)
        except InputError as error:
            self._note(f"note: no plot of the loss: {error}")

    def _write(self, state: Any, event: str, line: Row) -> None:
        epoch = round(self._scale.epochs * (state.epoch or 0.0), 6)
        self._log.append({"event": event, "step": state.global_step, "steps": state.max_steps, "epoch": epoch, **line})

    def _note(self, line: str) -> None:
        """Shown only once."""
        if line not in self._noted:
            self._noted.add(line)
            self._say(line)


def human(step: int, steps: int, line: Mapping[str, Any], seconds_left: float | None) -> str:
    """A line of the log, formatted for display; unknown values are left out."""
    words = [f"step {step:,}/{steps:,}", f"loss {line['loss']:.4g}"]
    if line.get("reward") is not None:
        words.append(f"reward {line['reward']:.3g}")
    if line.get("rewards/accuracies") is not None:
        words.append(f"chosen preferred {line['rewards/accuracies']:.0%}")
    if line.get("learning_rate") is not None:
        words.append(f"lr {line['learning_rate']:.1e}")
    words.append(f"{line['tokens_per_s']:,.0f} tokens/s")
    if line.get("mfu") is not None:
        words.append(f"MFU {100 * line['mfu']:.0f} %")
    if seconds_left:
        words.append(f"{duration(seconds_left)} left")
    return "  ".join(words)


def _some(logs: Mapping[str, Any], *keys: str) -> Row:
    return {key: logs[key] for key in keys if key in logs}


def _step(state: Any) -> str:
    return f"step {state.global_step:,}/{state.max_steps:,}"


def _memory() -> int:
    """Bytes: the peak allocation on this process's GPU, or the peak memory of the process without one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _device(args: Any) -> str:
    if torch.device(args.device).type == "cuda":
        return str(torch.cuda.get_device_name(args.device))
    return f"{platform.machine()} CPU"


def _time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
