"""`promptcot generate`: has a model write a rationale and a problem for each combination."""

from __future__ import annotations

from typing import Any

from promptcot import domains
from promptcot.cli.help import verb
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.defaults import domain_of
from promptcot.stages.generate import Generate


@verb(
    "generate",
    example="promptcot generate --data-path combinations.jsonl --output-path problems.jsonl",
)
@data_path("Rows with a `prompt`, as written by `sample`.")
@output_path("Output: the same rows with `completion`, `rationale` and `problem` (or the blocks of the domain).")
@prompts_option
@model_options(temperature=1.0)
def command(domain: str | None, **options: Any) -> int:
    """Have a model write a rationale and a problem for each combination of concepts.

    Run the same command again after an interruption: finished calls are not repeated.
    """
    blocks = domains.settings(domain or domain_of(model_of(options))).written

    def stage(model: Model, seed: int) -> Generate:
        return Generate(model.sampling, seed, model.chat, blocks=blocks)

    told = {**options, "prompts": domain} if domain else options
    return run_file(stage, "generator", told, {})
