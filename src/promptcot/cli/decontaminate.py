"""`promptcot decontaminate`: removes problems that occur in benchmarks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from promptcot.cli.help import verb
from promptcot.cli.options import data_path, output_path, served_as, serving_options, switch
from promptcot.cli.parameters import BENCHMARK, FILE_OR_NAME, MODEL_OR_NAME, SHARE, WHOLE, columns_option, shard_option
from promptcot.cli.report.console import Console, print_summary, say, say_all, warn
from promptcot.cli.report.contamination import found_lines
from promptcot.core.columns import Columns
from promptcot.core.shards import Shard
from promptcot.errors import UsageError
from promptcot.evaluation.references import files_of, reference_lines, references
from promptcot.pipeline.decontamination import Meanings, decontamination, reference_vectors
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.shards import part_of
from promptcot.pipeline.steps_job import StepsJob
from promptcot.pipeline.synchronous import wait_for
from promptcot.records import Item
from promptcot.stages.annotators import problem_rows
from promptcot.stages.decontaminate import NEAR
from promptcot.storage.paths import beside


@verb(
    "decontaminate",
    example="promptcot decontaminate --data-path out/nano/filter.jsonl --output-path clean.jsonl --against nano",
    groups={"What to compare with": ("against", "mask_numbers", "semantic", "semantic_near", "confirm", "seed")},
)
@data_path("Rows with a `problem` or a `prompt`, or a known data set.")
@output_path("Output: the rows without contaminated problems, which are written to OUTPUT.dropped.jsonl.")
@click.option(
    "--against",
    type=BENCHMARK,
    multiple=True,
    help="Benchmark by name, which is downloaded if necessary, or a file of problems.  "
    "[default: all benchmarks that are available locally]",
)
@click.argument("more", nargs=-1, type=FILE_OR_NAME, metavar="")
@switch(
    "--mask-numbers",
    "Also remove problems that differ from a benchmark's only in numbers.",
    default=True,
)
@click.option("--semantic", type=MODEL_OR_NAME, help="Also compare embeddings made by this model.")
@click.option(
    "--semantic-near",
    type=SHARE,
    default=NEAR,
    show_default=True,
    help="Minimum cosine similarity of problems that count as near; used with --semantic.",
)
@click.option(
    "--confirm",
    type=MODEL_OR_NAME,
    help="Model that decides whether near problems are the same; those it calls different are kept. Needs --semantic.",
)
@columns_option
@serving_options
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Random seed for the replies of --confirm.")
@shard_option
def command(
    data_path: Path,
    output_path: Path,
    against: tuple[str, ...],
    more: tuple[str, ...],
    mask_numbers: bool,
    columns: dict[str, str] | None,
    shard: Shard | None,
    seed: int,
    **options: Any,
) -> int:
    """Remove problems that occur in a benchmark, or that contain a large part of a benchmark's problem.

    Differences in LaTeX notation are ignored. Each removed row names the benchmark's row, the rule that matched, and
    the text that both have in common. The options for models apply to --semantic and --confirm.
    """
    if more and not against:
        raise UsageError(f"{' '.join(more)}: name what to compare with as --against {' '.join(more)}")
    names, part, read = [*against, *more], part_of(shard, [data_path], output_path), columns or {}
    meanings = _meanings(options)
    next(problem_rows(data_path, Columns(read)), None)  # a missing file is the first error
    found = references(names or None)
    say_all(reference_lines(found))
    for file in files_of(names):
        if os.path.exists(data_path) and os.path.exists(file) and os.path.samefile(file, data_path):
            warn(f"{file} is both the input and a benchmark: each of its problems matches itself and is left out")
    vectors = None
    if meanings is not None:
        vectors = wait_for(reference_vectors(found, meanings.model, beside(output_path, "journal"), Console()))
    step, steps = decontamination(found, mask_numbers, meanings, vectors, seed)
    settings = {"data_path": data_path, "output_path": output_path, "against": dict(found.found)}
    settings |= {"mask_numbers": mask_numbers, **({"columns": read} if read else {}), **_told(meanings, seed)}

    def items() -> Iterator[Item]:
        rows = part.items(problem_rows(data_path, Columns(read, say)))
        return rows if meanings is not None else step.looked_up(rows)

    job = StepsJob(
        step.name,
        steps,
        items,
        output_path,
        settings,
        part=part,
    )
    counts = wait_for(run_steps(job, Console()))
    say_all(found_lines(step.summary()["contamination"], output_path))
    return print_summary(output_path, counts)


def _meanings(options: Mapping[str, Any]) -> Meanings | None:
    """The models for the semantic comparison. Raises UsageError, RecipeError."""
    if not options["semantic"]:
        if options["confirm"]:
            raise UsageError("--confirm needs --semantic MODEL, which finds the near problems that it decides on")
        return None
    judge = options["confirm"] and served_as(options["confirm"], options, temperature=0.0, chat=True)
    return Meanings(served_as(options["semantic"], options), options["semantic_near"], judge or None)


def _told(meanings: Meanings | None, seed: int) -> dict[str, Any]:
    """The settings for the manifest."""
    if meanings is None:
        return {}
    models = {"semantic": meanings.model, "confirm": meanings.confirm}
    named = {name: model.model_dump(mode="json") for name, model in models.items() if model is not None}
    return {"semantic_near": meanings.near, "models": named, "seed": seed}
