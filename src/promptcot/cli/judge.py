"""`promptcot judge`: has one judge model rate each problem."""

from __future__ import annotations

from typing import Any

import click

from promptcot import domains, nano
from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.defaults import domain_of, judge_name
from promptcot.stages.judge import Judge


@verb(
    "judge",
    example="promptcot judge --data-path problems.jsonl --output-path judged-0.jsonl --model-path nano:judge-a",
    groups={"Judge": ("name",)},
)
@data_path("Problems, as written by `generate`.")
@output_path("Output: the same rows with `judge`, `ratings` and `judgement`.")
@click.option(
    "--judge",
    "name",
    metavar="NAME",
    shell_complete=completing(known.judges),
    help="Name of the judge in files and reports.  [default: the model's name]",
)
@prompts_option
@model_options(temperature=0.6)
def command(name: str | None, domain: str | None, **options: Any) -> int:
    """Have one judge model rate each problem.

    The model rates the domain's criteria and gives a verdict. A reply that cannot be parsed, or whose verdict does not
    follow from its ratings, is invalid. Run this once per judge, and pass all output files to `filter`.
    """
    judge = name or judge_name(options["model_path"])
    loaded = domains.load(domain or domain_of(model_of(options)))

    def stage(model: Model, seed: int) -> Judge:
        return Judge(judge, loaded, model.sampling, seed, model.chat)

    return run_file(stage, nano.judge_role(judge), {**options, "judge": judge, "prompts": loaded.domain}, loaded.hashes)
