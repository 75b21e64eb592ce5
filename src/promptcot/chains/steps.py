"""A step of a chain: one `promptcot` command, its inputs and its outputs. Pure: nothing is run or read here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from promptcot.chains.options import arguments, model_arguments
from promptcot.chains.recipe import Training
from promptcot.recipe.schema import Served
from promptcot.storage.paths import SUFFIXES

MODEL = "model"
"""The model in the output folder of a training run."""


@dataclass(frozen=True, slots=True)
class Step:
    """`promptcot` with these `arguments`, which makes `product`, a file or a folder, from `inputs`.

    An `always` step is cheap and runs every time. `workspace` is the folder of a step that resumes by itself, with the
    same command and inputs only: otherwise it is removed first.
    """

    name: str
    arguments: tuple[str, ...]
    product: Path
    inputs: tuple[Path, ...] = ()
    always: bool = False
    workspace: Path | None = None

    @property
    def shown(self) -> str:
        """The command as a user would type it."""
        return shlex.join(["promptcot", *self.arguments])


def step(
    name: str, words: Iterable[object], product: Path, *inputs: Path | str, always: bool = False, at: Path | None = None
) -> Step:
    """A step. Of `words`, a mapping becomes options, a model's section the options of that model, and anything else a
    single argument.

    A named input (text) is tracked if it is a file or a folder; files of the package and of the Hub are not. `at` is
    the step's workspace.
    """
    files = [Path(one) for one in inputs if isinstance(one, Path) or _on_disk(one)]
    return Step(name, tuple(chain.from_iterable(map(_as_arguments, words))), product, tuple(files), always, at)


def _as_arguments(word: object) -> list[str]:
    if isinstance(word, Mapping):
        return arguments(word)
    return model_arguments(word) if isinstance(word, Served) else [str(word)]


def _on_disk(name: str) -> bool:
    return name.endswith((".toml", *SUFFIXES)) or name.startswith(("/", "."))


def train(name: str, training: Training, rows: Path, directory: Path, seed: int) -> Step:
    """Train with a recipe on `rows`; the model is in `directory`/model."""
    options = {"--model_path": training.model, "--data_path": rows, "--output_dir": directory}
    words = ["train", training.recipe, {**options, "--set": (f"seed={seed}", *training.set)}]
    return step(name, words, directory / MODEL, rows, training.recipe, training.model, at=directory)
