"""The dry run of `train`: everything that can be computed before a device is rented or a file is downloaded.

Combines `counting` (data), `estimate` (work and memory) and `devices` (hardware); `promptcot.cli.report.training`
formats it. Loads no model and needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from promptcot.engines.model_files import config_of
from promptcot.errors import InputError
from promptcot.training.forecast.architecture import Shape
from promptcot.training.forecast.counting import Counted, count, folder_of
from promptcot.training.forecast.devices import Device, find
from promptcot.training.forecast.disk import Disk, disk
from promptcot.training.forecast.estimate import ROOMY, Change, Work, advice, work
from promptcot.training.forecast.memory import Memory, memory
from promptcot.training.forecast.methods import share_left
from promptcot.training.recipe import TrainRecipe


@dataclass(frozen=True)
class DryRun:
    """A recipe with the known facts; `shape` and `device` are None if unknown."""

    recipe: TrainRecipe
    shape: Shape | None
    shape_from: str
    counted: Counted
    device: Device | None

    @cached_property
    def memory(self) -> Memory | None:
        """The memory of each device; None without a shape."""
        return None if self.shape is None else memory(self.shape, self.recipe)

    @cached_property
    def disk(self) -> Disk | None:
        """The disk space; None without a shape."""
        return None if self.shape is None else disk(self.shape, self.recipe, self.counted)

    @cached_property
    def fits(self) -> bool | None:
        """Whether each device has enough memory; None if either is unknown."""
        if self.memory is None or self.device is None:
            return None
        return self.memory.total <= ROOMY * self.device.memory * share_left(self.recipe)

    @cached_property
    def changes(self) -> list[Change]:
        """Changes with which it fits, the best first; empty if it fits."""
        if self.fits is not False or self.shape is None or self.device is None:
            return []
        return advice(self.shape, self.recipe, int(self.device.memory * share_left(self.recipe)))

    @cached_property
    def work(self) -> Work | None:
        """Steps, tokens and operations; None if rows, their lengths or the model are unknown."""
        return None if self.counted.rows is None else self.work_of(self.counted.rows)

    def work_of(self, rows: int) -> Work | None:
        """The work of so many rows with the known lengths."""
        if self.shape is None or self.counted.lengths is None or not self.counted.lengths.mean:
            return None
        return work(self.shape, self.recipe, rows, self.counted.lengths)


def dry_run(recipe: TrainRecipe) -> DryRun:
    """Examine a recipe. Raises InputError for unreadable data."""
    shape, told = _shape(recipe)
    return DryRun(recipe, shape, told, count(recipe), find(recipe.hardware.device))


def _shape(recipe: TrainRecipe) -> tuple[Shape | None, str]:
    """The model's shape, from its own config.json if that is on this machine, else from the recipe; and which of the
    two.
    """
    folder = folder_of(recipe.model.path)
    why_not = f"{recipe.model.path} is not on this machine, and the recipe has no model.architecture"
    if folder is not None and (config := config_of(folder)) is not None:
        try:
            return Shape.of_config(config), "from its config.json on this machine"
        except InputError as error:
            why_not = str(error)
    if recipe.model.architecture is not None:
        return Shape.of_architecture(recipe.model.architecture), "from the recipe's model.architecture"
    return None, why_not
