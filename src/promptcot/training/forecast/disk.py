"""Disk space of a training: checkpoints, the model, cached tokens, and downloads.

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
"""Bytes of a token in the store: see `data.tokens`."""

_ROW = 48
"""And of what is kept for each row beside its tokens: lengths, a hash, an id of about 28 characters."""

_COPIES = 2
"""A dataset of the Hub lies in its cache as files, and in that of `datasets` as Arrow."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes; None where rows or their lengths are not known."""

    checkpoint: int
    checkpoints: int
    """All that are kept, and one more while it is written."""
    model: int
    """What is saved in the end: the finished model, its adapters, or both."""
    base: int
    """The one to start from, where it is fetched."""
    tokens: int | None
    data: int | None
    """Files that are here, or those that are not and a dataset that is fetched, of which the size is assumed."""
    assumed: bool
    """Whether `data` is such an assumption."""
    fetched: bool
    """Whether it is a dataset of the Hub."""

    @property
    def total(self) -> int:
        """All that is known."""
        return self.checkpoints + self.model + self.base + (self.tokens or 0) + (self.data or 0)


def disk(shape: Shape, recipe: TrainRecipe, counted: Counted) -> Disk:
    """What this recipe takes."""
    one = checkpoint_bytes(shape, recipe)
    rows, lengths = counted.rows, counted.lengths
    drawn = recipe.method.kind == "grpo"  # then most tokens are those of completions, which no file has
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
    """Bytes of the model in its numbers, and of adapters in float32."""
    lora, model = recipe.method.lora, shape.parameters * (2 if recipe.precision.dtype == "bfloat16" else 4)
    if lora is None or lora.save == "merged":
        return model
    return 4 * shape.adapter_parameters(lora.rank) + (model if lora.save == "both" else 0)
