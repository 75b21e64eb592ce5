"""Small trainings of the nano solver, shared by tests: rows, a recipe, and the files of a training."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.storage.json import dumps
from promptcot.training.report.logfile import LogFile

RECIPE = """
name = "small"
seed = 5
[model]
path = "nano:solver"
[data]
path = "rows.jsonl"
[method]
liger = false
[schedule]
max_length = 128
epochs = 1
micro_batch = 1
accumulation = 2
learning_rate = 1e-3
kind = "constant"
warmup_steps = 0
[precision]
dtype = "float32"
gradient_checkpointing = false
[watch]
log_every = 1
samples = 0
"""
ALIKE = ("step", "loss", "grad_norm", "order", "tokens", "eval_loss")


def write_rows(path: Path, count: int, seed: int = 1) -> Path:
    """Sums of many lengths, from one to nine summands, so that packs hold several rows and padding has work."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        parts = [rng.randrange(1, 50) for _ in range(rng.randrange(1, 10))]
        prompt, answer = " + ".join(map(str, parts)), " = ".join(map(str, [*parts[1:], sum(parts)]))
        rows.append({"id": f"r{number}", "prompt": f"{prompt}\n", "completion": answer})
    path.write_bytes(b"".join(map(dumps, rows)))
    return path


def write_recipe(path: Path) -> Path:
    path.write_text(RECIPE)
    return path


def changes(settings: Mapping[str, Any]) -> list[str]:
    """Settings as `--set` has them: `schedule__epochs=2` is `schedule.epochs=2`."""
    return [f"{name.replace('__', '.')}={str(value).lower()}" for name, value in settings.items()]


def logged(directory: Path, keys: Sequence[str] = ALIKE) -> list[dict[str, Any]]:
    """The log of a training, as far as it must be the same each time."""
    lines = LogFile(directory / "log.jsonl").lines()
    return [
        {key: line[key] for key in keys if key in line} for line in lines if line["event"] in ("logged", "evaluated")
    ]


def losses(directory: Path) -> list[float]:
    return [line["loss"] for line in logged(directory) if "loss" in line]
