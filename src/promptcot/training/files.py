"""The names of the files that a training run writes, and the list of paths that must not overwrite an input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.storage.overlap import Written
from promptcot.training.recipe import TrainRecipe

MODEL = "model"
"""The folder of the trained model."""
ADAPTER = "adapter"
"""The folder of its adapters, if they are saved separately."""
LOG, SAMPLES, PLOT = "log.jsonl", "samples.jsonl", "loss"
DROPPED = "dropped.jsonl"
BEGAN_WITH = "data.json"
LOGS = "processes"
"""The folder for the output of the training processes."""
CHECKPOINTS = "checkpoint-*"


def written(directory: Path) -> list[Written]:
    """The paths that a training run into the directory overwrites."""
    names = (LOG, SAMPLES, DROPPED, BEGAN_WITH, f"{PLOT}.png", f"{PLOT}.pdf")
    models = [directory / f"{name}{suffix}" for name in (MODEL, ADAPTER) for suffix in ("", ".part", ".old")]
    folders = (*models, directory / LOGS, *directory.glob(CHECKPOINTS))
    return [Written.of(directory, "folder"), Written(directory, tuple(directory / name for name in names), folders)]


def folders_of(recipe: TrainRecipe) -> Iterator[str]:
    """The names of the folders that a training run writes, the model's first."""
    kept = recipe.method.lora.save if recipe.method.lora else "merged"
    if kept != "adapter":
        yield MODEL
    if kept != "merged":
        yield ADAPTER
