"""What a training takes on disk: checkpoints, the model, the tokens that are kept, and what is fetched for it.

Pure arithmetic, and the sizes of files that are on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    """The finished one."""
    base: int
    """The one to start from, where it is fetched."""
    tokens: int | None
    data: int | None
    """Files that are here, or a dataset that is fetched, of which the size is assumed."""
    fetched: bool
    """Whether `data` is such an assumption."""

    @property
    def total(self) -> int:
        """All that is known."""
        return self.checkpoints + self.model + self.base + (self.tokens or 0) + (self.data or 0)


def disk(shape: Shape, recipe: TrainRecipe, counted: Counted) -> Disk:
    """What this recipe takes."""
    half = recipe.precision.dtype == "bfloat16"
    one = checkpoint_bytes(shape, recipe)
    rows, lengths = counted.rows, counted.lengths
    tokens = None if rows is None or lengths is None else round(rows * lengths.mean)
    files = [Path(path) for path in recipe.data.path]
    here = all(path.is_file() for path in files)
    fetched = None if tokens is None else round(tokens * CHARACTERS_PER_TOKEN * _COPIES)
    return Disk(
        checkpoint=one,
        checkpoints=one * (recipe.checkpoints.keep + 1),
        model=shape.parameters * (2 if half else 4),
        base=0 if folder_of(recipe.model.path) else 2 * shape.parameters,
        tokens=None if tokens is None or rows is None else tokens * _TOKEN + rows * _ROW,
        data=sum(path.stat().st_size for path in files) if here else fetched,
        fetched=not here,
    )
