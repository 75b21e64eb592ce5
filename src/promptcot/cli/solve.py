"""`promptcot solve`: n traces for each problem."""

from __future__ import annotations

from typing import Any

import click

from promptcot import domains
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.parameters import COUNT, WHOLE, columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.defaults import domain_of, solver_name
from promptcot.stages.solve import Solve, problem_samples


@click.command("solve")
@data_path("Rows with a `problem`, or a `prompt` that is asked as it is, raw or as a turn; or of a known data set.")
@output_path("One row for each trace: the problem's, with `sample`, `completion`, `truncated`, `malformed`, `model`.")
@click.option("--n", type=COUNT, default=1, show_default=True, help="Traces of each problem.")
@click.option(
    "--max-retries",
    type=WHOLE,
    default=0,
    show_default=True,
    help="How often a trace whose thinking is malformed is asked for again, unless it was cut off. That inflates "
    "scores: the public script did it silently.",
)
@columns_option
@click.option("--style", help="The form of a raw prompt: deepseek-r1, qwq, or row (the row's `prompt` as it is).")
@prompts_option
@model_options(temperature=0.6)
def command(n: int, max_retries: int, style: str | None, domain: str | None, **options: Any) -> int:
    """Have a model solve each problem n times, with reasoning and an answer in a box.

    Each trace is a row of its own, with a seed of its own; rows are counted by traces.
    """
    loaded = domains.load(domain or domain_of(model_of(options)))

    def stage(model: Model, seed: int) -> Solve:
        again, name = max_retries > 0, solver_name(model)
        return Solve(loaded, model.sampling, seed, model.chat, style, resample=again, model=name)

    columns, options = take_columns(options, say)
    told = {**options, "n": n, "max_retries": max_retries, "style": style, "prompts": loaded.domain}
    return run_file(stage, "solver", told, loaded.hashes, lambda source: problem_samples(source, n, columns))
