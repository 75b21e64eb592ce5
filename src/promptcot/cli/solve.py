"""`promptcot solve`: has a model solve each problem n times."""

from __future__ import annotations

from typing import Any

import click

from promptcot import domains
from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.parameters import COUNT, WHOLE, columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.defaults import domain_of, solver_name
from promptcot.stages.solve import Solve, problem_samples


@verb(
    "solve",
    example="promptcot solve --data-path out/nano/filter.jsonl --output-path traces.jsonl --n 4",
    groups={"Traces": ("n", "max_retries")},
)
@data_path("Rows with a `problem`, rows with a `prompt` (sent unchanged), or a known data set.")
@output_path(
    "Output: one row per trace, with the fields of the problem and `sample`, `completion`, `truncated`, `malformed` "
    "and `model`."
)
@click.option("--n", type=COUNT, default=1, show_default=True, help="Number of traces per problem.")
@click.option(
    "--max-retries",
    type=WHOLE,
    default=0,
    show_default=True,
    help="Number of retries for a trace with malformed thinking that was not truncated. Retries inflate scores; the "
    "published script made them silently.",
)
@columns_option
@click.option(
    "--style",
    metavar="STYLE",
    shell_complete=completing(known.styles),
    help="Format of a raw prompt: deepseek-r1, qwq, or row (the row's `prompt`, unchanged).  [default: the domain's]",
)
@prompts_option
@model_options(temperature=0.6)
def command(n: int, max_retries: int, style: str | None, domain: str | None, **options: Any) -> int:
    """Have a model solve each problem n times, with reasoning and a boxed answer.

    Each trace is a row of its own, with its own seed. The printed counts are counts of traces.
    """
    loaded = domains.load(domain or domain_of(model_of(options)))

    def stage(model: Model, seed: int) -> Solve:
        again, name = max_retries > 0, solver_name(model)
        return Solve(loaded, model.sampling, seed, model.chat, style, resample=again, model=name)

    columns, options = take_columns(options, say)
    told = {**options, "n": n, "max_retries": max_retries, "style": style, "prompts": loaded.domain}
    return run_file(stage, "solver", told, loaded.hashes, lambda source: problem_samples(source, n, columns))
