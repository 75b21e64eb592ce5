"""`promptcot dedup`: removes near-duplicate problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli.help import verb
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


@verb(
    "dedup",
    example="promptcot dedup --data-path out/nano/filter.jsonl --output-path unique.jsonl --near 0.9",
    groups={"What is a copy": ("near", "mask_numbers", "semantic", "semantic_near")},
)
@data_path("Rows with a `problem` or a `prompt`, or a known data set.")
@output_path(
    "Output: the rows without copies. The copies are written to OUTPUT.dropped.jsonl, each with the row that it copies."
)
@click.option(
    "--near",
    type=SHARE,
    default=NEAR,
    show_default=True,
    help="Minimum similarity of copies, by their sequences of words or characters, or by their character n-grams.",
)
@switch("--mask-numbers", "Also treat problems that differ only in numbers as copies.")
@click.option(
    "--semantic",
    type=MODEL_OR_NAME,
    help="Also compare embeddings made by this model: a folder (a sentence-transformers model works best), or the "
    "model's name on a server.",
)
@click.option(
    "--semantic-near",
    type=SHARE,
    default=0.95,
    show_default=True,
    help="Minimum cosine similarity of the embeddings of copies; used with --semantic.",
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
    """Remove near-duplicate problems, including those that differ only in their LaTeX notation.

    Of each group of copies, the problem with the most perfect verdicts and ratings is kept; ties are broken by the
    smallest id, so the order of the input does not matter. The options for models apply to --semantic.
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
