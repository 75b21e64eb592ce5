"""The paths that the recipe of a run or an evaluation reads and writes, checked so that no output overwrites an input.

The paths given to verbs are known from their options (`cli.parameters`); this module handles paths in recipes and the
Python API. `storage.overlap` decides whether two paths are the same file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from promptcot import domains, nano
from promptcot.evaluation.references import files_of
from promptcot.pipeline.plan import PlannedStep
from promptcot.pipeline.set_file import SET
from promptcot.recipe.recipe import Recipe
from promptcot.recipe.schema import Served
from promptcot.stages.sample import concepts_file
from promptcot.storage.overlap import MODEL, Read, Written, check_paths
from promptcot.storage.paths import expanded

VECTORS = "encode.safetensors"
"""The file of the concepts' vectors in the directory of a run that makes them."""


def check_run(recipe: Recipe, steps: Iterable[PlannedStep], directory: Path) -> None:
    """Raises UsageError if the run into the directory would overwrite an input of its recipe, and InputError."""
    names = [SET, *(f"{step.name}.jsonl" if step.kind != "vectors" else VECTORS for step in steps)]
    outputs = [Written.of(directory, "folder"), *(Written.of(directory / name, "file") for name in names)]
    check_paths(_read_by(recipe, steps), outputs)


def check_evaluation(
    benchmarks: Iterable[str], model: Served, domain: str, directory: Path, files: Iterable[Path]
) -> None:
    """The same for an evaluation, which writes these files of traces, and their grades."""
    files = list(files)
    outputs = [Written.of(directory, "folder"), *(Written.of(file, "file") for file in files)]
    grades = [Written.of(file, "read") for file in files]
    check_paths([*benchmark_files(benchmarks), *_prompts(domain), *_models([model])], [*outputs, *grades])


def benchmark_files(benchmarks: Iterable[str]) -> list[Read]:
    """Those of the benchmarks that are files."""
    return [Read(Path(name)) for name in benchmarks if os.path.isfile(name)]


def _read_by(recipe: Recipe, steps: Iterable[PlannedStep]) -> Iterator[Read]:
    yield Read(concepts_file(recipe.concepts.path))
    yield from _prompts(recipe.prompts)
    for path in (recipe.sample.prompt_like, None if recipe.encode.skip else recipe.encode.path):
        if path:
            yield Read(Path(path))
    yield from map(Read, files_of((recipe.decontaminate and recipe.decontaminate.against) or ()))
    yield from _models(step.model for step in steps if step.model is not None)


def _prompts(domain: str) -> Iterator[Read]:
    """The folder of prompts, if it is the user's own."""
    if domain not in domains.names():
        yield Read(Path(domain), MODEL)


def _models(models: Iterable[Served]) -> Iterator[Read]:
    """The folders of models and tokenizers that are on this machine."""
    for model in models:
        for name in (model.model, model.tokenizer):
            if name and not nano.is_nano(name) and os.path.isdir(folder := expanded(name)):
                yield Read(folder, MODEL)
