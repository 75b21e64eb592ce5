"""The interface of a training method: rows to material, material to a TRL trainer.

`training.run` has what all methods share: locks, checkpoints, resuming, stopping, the model folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase, TrainingArguments

from promptcot.training.kernels import Kernels
from promptcot.training.recipe import TrainRecipe

Say = Callable[[str], None]


class Material(Protocol):
    """What a training learns from, ready for its trainer."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What must not change between two starts of one training, of the rows."""

    @property
    def count(self) -> int:
        """How many rows, packs or pairs an epoch has; 0 where the trainer goes through them by itself."""

    @property
    def prompts(self) -> Iterator[tuple[str, str]]:
        """What each row asks, as text, after its id."""

    @property
    def dropped(self) -> Path | None:
        """The file of the rows that were left out, with their reasons; None where nothing is known of them."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the card of the model says of the rows: see `report.card.text`."""


class Method(Protocol):
    """One way to learn."""

    def arguments(self, recipe: TrainRecipe, kernels: Kernels) -> TrainingArguments:
        """The arguments of the trainer."""

    def material(self, recipe: TrainRecipe, tell: Say) -> Material:
        """The rows of the recipe, made ready. Raises InputError where none is left."""

    def trainer(self, recipe: TrainRecipe, kernels: Kernels, args: TrainingArguments, material: Any, tell: Say) -> Any:
        """A trainer whose callbacks watch it. Raises InputError for a model that cannot be loaded."""
