"""A step of a chain: one `promptcot` command, what it reads, and what it leaves behind.

Also decides how the sections of a recipe become options of a command (those of a model: `options`). Pure: nothing is
run or looked at here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from promptcot.chains.options import arguments
from promptcot.chains.recipe import Training
from promptcot.recipe.schema import Sample
from promptcot.storage.paths import SUFFIXES

MODEL = "model"
"""Where a training leaves its model, in its output folder."""


@dataclass(frozen=True, slots=True)
class Step:
    """`promptcot` with these `arguments`, which makes `product`, a file or a folder, out of `inputs`.

    A step that is due `always` is cheap, and tells something. `workspace` is the folder of a step that goes on by
    itself, and only with the same command and inputs: for others it is removed first.
    """

    name: str
    arguments: tuple[str, ...]
    product: Path
    inputs: tuple[Path, ...] = ()
    always: bool = False
    workspace: Path | None = None

    @property
    def shown(self) -> str:
        """The command as a person may type it."""
        return shlex.join(["promptcot", *self.arguments])


def step(name: str, arguments: Iterable[object], product: Path, *inputs: Path, always: bool = False) -> Step:
    """A step whose arguments are written as text."""
    return Step(name, tuple(map(str, arguments)), product, inputs, always)


def drawn(sample: Sample) -> list[str]:
    """The options of `sample`."""
    ways = {"--size": sample.size, "--temperature": sample.temperature, "--counts": sample.counts}
    return arguments({**ways, "--levels": ",".join(sample.levels), "--prompt_like": sample.prompt_like or None})


def changes(given: Sequence[str]) -> list[str]:
    """Changes of a recipe, as options."""
    return arguments({"--set": list(given)})


def train(name: str, training: Training, rows: Path, directory: Path, seed: int) -> Step:
    """Train with a recipe on `rows`; the model is in `directory`/model."""
    told = {"--model_path": training.model, "--data_path": rows, "--output_dir": directory}
    words = ["train", training.recipe, *arguments(told), *changes([f"seed={seed}", *training.set])]
    made = step(name, words, directory / MODEL, rows, *on_disk(training.recipe, training.model))
    return replace(made, workspace=directory)


def on_disk(*named: str) -> list[Path]:
    """Those of these names that are files or folders; what ships with the package or lies on the Hub is not."""
    return [Path(name) for name in named if name.endswith((".toml", *SUFFIXES)) or name.startswith(("/", "."))]
