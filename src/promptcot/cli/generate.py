"""`promptcot generate`: a rationale and a problem for each combination."""

from __future__ import annotations

from typing import Any

import click

from promptcot.cli.options import data_path, model_options, output_path
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.generate import Generate


@click.command("generate")
@data_path("Rows with a `prompt`, as `sample` writes them.")
@output_path("The same rows with `completion`, `rationale` and `problem`.")
@model_options(temperature=1.0)
def command(**options: Any) -> int:
    """Have a model write a rationale and a problem for each row of a file.

    Run the same command again after an interruption: finished calls are not repeated.
    """
    return run_file(_stage, "generator", options, {})


def _stage(model: Model, seed: int) -> Generate:
    return Generate(model.sampling, seed, model.chat)
