"""`promptcot judge`: one judge's ratings of every problem."""

from __future__ import annotations

from typing import Any

import click

from promptcot import nano, prompts
from promptcot.cli.options import data_path, model_of, model_options, output_path
from promptcot.cli.parameters import PROMPTS
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.defaults import domain_of, judge_name
from promptcot.stages.judge import Judge


@click.command("judge")
@data_path("Rows as `generate` writes them.")
@output_path("The same rows with `judge`, `ratings` and `judgement`.")
@click.option("--judge", "name", help="The judge's name in files and reports.  [default: the model's name]")
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    help="The folder of prompts and criteria.  [default: nano for models that are named nano, else math]",
)
@model_options(temperature=0.6)
def command(name: str | None, domain: str | None, **options: Any) -> int:
    """Have one model rate each problem of a file.

    Five ratings are asked for, and a verdict; a reply that cannot be read, or whose verdict does not follow from its
    ratings, is invalid. Judge once for each judge, and give all the files to `filter`.
    """
    judge = name or judge_name(options["model_path"])
    loaded = prompts.load(domain or domain_of(model_of(options)))

    def stage(model: Model, seed: int) -> Judge:
        return Judge(judge, loaded, model.sampling, seed, model.chat)

    return run_file(stage, nano.judge_role(judge), {**options, "judge": judge, "prompts": loaded.domain}, loaded.hashes)
