"""`promptcot extract`: has annotators name the concepts of each problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import click

from promptcot import domains
from promptcot.cli.annotator_options import annotator_options, domain_of, run_annotators
from promptcot.cli.help import verb
from promptcot.cli.options import data_path, output_path
from promptcot.cli.parameters import COUNT, columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.stages.annotators import Annotator, for_each, level_giver, problem_rows, problems_file
from promptcot.stages.extract import Extract


@verb(
    "extract",
    example="promptcot extract --data-path nano --output-path extracted.jsonl --limit-rows 20",
    groups={"What to extract": ("sizes", "levels")},
)
@data_path(
    "Problems: rows with a `problem`, rows of a benchmark with a `prompt`, or a known data set; `nano` stands for the "
    "seed problems that ship with the package."
)
@output_path("Output: one row per problem and annotator, with `foundational_concepts` and `annotator`.")
@click.option(
    "--n",
    "sizes",
    type=COUNT,
    multiple=True,
    help="Number of concepts per problem; if several are given, one is drawn for each problem.  [default: the "
    "domain's]",
)
@columns_option
@click.option("--limit-rows", type=COUNT, help="Process only the first N problems.  [default: all]")
@annotator_options
def command(sizes: tuple[int, ...], limit_rows: int | None, **options: Any) -> int:
    """Have annotators name the concepts that each problem rests on.

    If a reply does not contain exactly the requested number of different concepts, the call is retried, and finally the
    problem is dropped. Run the same command again after an interruption: finished calls are not repeated.
    """
    columns, options = take_columns(options, say)
    loaded = domains.load(domain_of(options))
    source = problems_file(str(options["data_path"]))
    sizes = sizes or loaded.settings.sizes
    give_level = level_giver(options["levels"], options["seed"])

    def rows(names: Sequence[str]) -> Iterator[Row]:
        return for_each(map(give_level, islice(problem_rows(source, columns), limit_rows)), names)

    def stage(annotator: Annotator, model: Model) -> Extract:
        return Extract(annotator.name, loaded, model.sampling, options["seed"], sizes, model.chat)

    told = {**options, "n": list(sizes), "limit_rows": limit_rows}
    return run_annotators("extract", stage, rows, source, told, loaded)
