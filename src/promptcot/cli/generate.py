"""`promptcot generate`: a rationale and a problem for each combination."""

from __future__ import annotations

from typing import Any

import click

from promptcot import domains
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.defaults import domain_of
from promptcot.stages.generate import Generate


@click.command("generate")
@data_path("Rows with a `prompt`, as `sample` writes them.")
@output_path("The same rows with `completion`, `rationale` and `problem`, or the blocks of the domain.")
@prompts_option
@model_options(temperature=1.0)
def command(domain: str | None, **options: Any) -> int:
    """Have a model write a rationale and a problem for each row of a file.

    Run the same command again after an interruption: finished calls are not repeated.
    """
    blocks = domains.settings(domain or domain_of(model_of(options))).written

    def stage(model: Model, seed: int) -> Generate:
        return Generate(model.sampling, seed, model.chat, blocks=blocks)

    told = {**options, "prompts": domain} if domain else options
    return run_file(stage, "generator", told, {})
