"""`promptcot dedup`: rows without copies of problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli.options import data_path, output_path, served_as, serving_options, switch
from promptcot.cli.parameters import MODEL_OR_NAME, SHARE, columns_option, take_columns
from promptcot.cli.report.console import Console, print_summary, say, say_all
from promptcot.cli.report.copies import copy_lines
from promptcot.core.overlap.near import NEAR
from promptcot.core.shards import EVERYTHING
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.plan import dedup_steps
from promptcot.pipeline.steps_job import StepsJob
from promptcot.pipeline.synchronous import wait_for
from promptcot.recipe.set_sections import Dedup
from promptcot.stages.annotators import rows_of_problems
from promptcot.storage.json import loads
from promptcot.storage.paths import beside


@click.command("dedup")
@data_path("Rows with `problem`, or with a `prompt`; or of a known data set.")
@output_path("The same rows without copies; these are in OUTPUT.dropped.jsonl, with the row that each copies.")
@click.option(
    "--near",
    type=SHARE,
    default=NEAR,
    show_default=True,
    help="How alike two problems are that are copies: of words or characters in order, or of short runs of characters.",
)
@switch("--mask-numbers", "Problems that differ in numbers only are copies, too.")
@click.option(
    "--semantic",
    type=MODEL_OR_NAME,
    help="Compare meanings as well, by the vectors of this model: a folder, best one of sentence-transformers, or the "
    "name that a server has for one.",
)
@click.option(
    "--semantic-near",
    type=SHARE,
    default=0.95,
    show_default=True,
    help="The cosine from which on meanings are the same.",
)
@serving_options
@columns_option
def command(
    data_path: Path,
    output_path: Path,
    near: float,
    mask_numbers: bool,
    semantic: str | None,
    semantic_near: float,
    **options: Any,
) -> int:
    """Leave out problems that are copies of others, whatever LaTeX they are spelled in.

    Of copies the one stays that has the most perfect verdicts and ratings, and among equals the one with the smallest
    id, wherever it stands in the file. Problems that differ in numbers only are no copies, unless --mask-numbers says
    so.
    """
    columns, serving = take_columns(options, say)
    model = served_as(semantic, serving) if semantic else None
    section = Dedup(near=near, mask_numbers=mask_numbers, semantic=model, semantic_near=semantic_near)
    told = {"data_path": data_path, "output_path": output_path, **section.model_dump(mode="json")}
    job = StepsJob(
        "dedup",
        [*dedup_steps(section, best=True)],
        lambda: EVERYTHING.items(rows_of_problems(data_path, columns)),
        output_path,
        {**told, "columns": serving["columns"]} if columns.given else told,
    )
    counts = wait_for(run_steps(job, Console()))
    say_all(copy_lines(loads(beside(output_path, "summary.json").read_bytes())["copies"], counts[-1].rows_in))
    return print_summary(output_path, counts)
