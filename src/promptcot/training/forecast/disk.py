"""Disk space of a training run: checkpoints, the model, cached tokens, and downloads.

Pure arithmetic, and the sizes of files on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptcot.training.data.rows import on_the_hub
from promptcot.training.forecast.architecture import Shape
from promptcot.training.forecast.counting import CHARACTERS_PER_TOKEN, Counted, folder_of
from promptcot.training.forecast.memory import checkpoint_bytes
from promptcot.training.recipe import TrainRecipe

_TOKEN = 4
"""Bytes per token in the store: see `data.tokens`."""

_ROW = 48
"""Additional bytes per row: lengths, a hash, an id of about 28 characters."""

_COPIES = 2
"""A dataset of the Hub is stored in its cache as files, and in that of `datasets` as Arrow."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes; None if rows or their lengths are unknown."""

    checkpoint: int
    checkpoints: int
    """All kept checkpoints, and one more while it is written."""
    model: int
    """The final files: the model, its adapters, or both."""
    base: int
    """The base model, if it is downloaded."""
    tokens: int | None
    data: int | None
    """Local files, or the assumed size of missing files and of a dataset to download."""
    assumed: bool
    """Whether `data` is assumed."""
    fetched: bool
    """Whether it is a dataset of the Hub."""

    @property
    def total(self) -> int:
        """The sum of all known parts."""
        return self.checkpoints + self.model + self.base + (self.tokens or 0) + (self.data or 0)


def disk(shape: Shape, recipe: TrainRecipe, counted: Counted) -> Disk:
    """The disk space of this recipe."""
    one = checkpoint_bytes(shape, recipe)
    rows, lengths = counted.rows, counted.lengths
    drawn = recipe.method.kind == "grpo"  # then most tokens are completions, which are in no file
    tokens = None if rows is None or lengths is None or drawn else round(rows * lengths.mean)
    files = [Path(path) for path in recipe.data.paths]
    here, fetched = all(path.is_file() for path in files), any(map(on_the_hub, recipe.data.paths))
    assumed = None if tokens is None else round(tokens * CHARACTERS_PER_TOKEN * (_COPIES if fetched else 1))
    return Disk(
        checkpoint=one,
        checkpoints=one * (recipe.checkpoints.keep + 1 + (recipe.checkpoints.best != "last")),
        model=_saved(shape, recipe),
        base=0 if folder_of(recipe.model.path) else 2 * shape.parameters,
        tokens=None if tokens is None or rows is None else tokens * _TOKEN + rows * _ROW,
        data=sum(path.stat().st_size for path in files) if here else assumed,
        assumed=not here,
        fetched=fetched,
    )


def _saved(shape: Shape, recipe: TrainRecipe) -> int:
    """Bytes of the model in its number type, and of adapters in float32."""
    lora, model = recipe.method.lora, shape.parameters * (2 if recipe.precision.dtype == "bfloat16" else 4)
    if lora is None or lora.save == "merged":
        return model
    return 4 * shape.adapter_parameters(lora.rank) + (model if lora.save == "both" else 0)
