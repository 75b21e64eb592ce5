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
    """The data of a training run, ready for its trainer."""

    tokenizer: PreTrainedTokenizerBase

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The properties of the rows that must not change between two starts of one training run."""

    @property
    def count(self) -> int:
        """The number of rows, packs or pairs in an epoch; 0 if the trainer goes through them by itself."""

    @property
    def prompts(self) -> Iterator[tuple[str, str]]:
        """The prompt of each row, as text, after its id."""

    @property
    def dropped(self) -> Path | None:
        """The file of dropped rows, with their reasons; None if unknown."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts about the rows for the model's card: see `report.card.text`."""


class Method(Protocol):
    """A training method."""

    def arguments(self, recipe: TrainRecipe, kernels: Kernels) -> TrainingArguments:
        """The arguments of the trainer."""

    def material(self, recipe: TrainRecipe, tell: Say) -> Material:
        """The prepared rows of the recipe. Raises InputError if none is left."""

    def trainer(self, recipe: TrainRecipe, kernels: Kernels, args: TrainingArguments, material: Any, tell: Say) -> Any:
        """A trainer with callbacks that monitor it. Raises InputError for a model that cannot be loaded."""
