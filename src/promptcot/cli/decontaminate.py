"""`promptcot decontaminate`: rows without the problems of benchmarks."""

from __future__ import annotations

import os
from pathlib import Path

import click

from promptcot.cli.options import data_path, output_path, switch
from promptcot.cli.parameters import FILE_OR_NAME, columns_option, shard_option
from promptcot.cli.report.console import Console, print_summary, say, say_all
from promptcot.cli.report.contamination import found_lines
from promptcot.core.columns import Columns
from promptcot.core.shards import Shard
from promptcot.errors import UsageError
from promptcot.evaluation.references import files_of, reference_lines, references
from promptcot.pipeline.execute import run_steps
from promptcot.pipeline.plan import PlannedStep
from promptcot.pipeline.shards import part_of
from promptcot.pipeline.steps_job import StepsJob
from promptcot.pipeline.synchronous import wait_for
from promptcot.stages.annotators import problem_rows
from promptcot.stages.decontaminate import Decontaminate

_AGAINST = "FILE_OR_BENCHMARK"


@click.command("decontaminate")
@data_path("Rows with `problem`, or with a `prompt`; or of a known data set.")
@output_path("The same rows without those whose problem is in a benchmark; these are in OUTPUT.dropped.jsonl.")
@click.option(
    "--against",
    type=FILE_OR_NAME,
    multiple=True,
    metavar=f"{_AGAINST}…",
    help="Benchmarks by name, which are fetched where they are not at hand, or files of problems.  "
    "[default: all benchmarks that are at hand]",
)
@click.argument("more", nargs=-1, type=FILE_OR_NAME, metavar="")
@switch(
    "--mask-numbers",
    "A problem that differs from a benchmark's in numbers only is one of it, too.",
    default=True,
)
@columns_option
@shard_option
def command(
    data_path: Path,
    output_path: Path,
    against: tuple[str, ...],
    more: tuple[str, ...],
    mask_numbers: bool,
    columns: dict[str, str] | None,
    shard: Shard | None,
) -> int:
    """Leave out problems that are one of a benchmark, or have a large part of one in them.

    A spelling in other LaTeX hides nothing. Each row that is left out names the benchmark's row, the rule, and what
    both have in common.
    """
    if more and not against:
        raise UsageError(f"{' '.join(more)}: name what to compare with as --against {' '.join(more)}")
    names = [*against, *more]
    found = references(names or None)
    say_all(reference_lines(found))
    for file in files_of(names):
        if os.path.exists(data_path) and os.path.exists(file) and os.path.samefile(file, data_path):
            say(f"{file} is what is decontaminated: each of its problems is found in itself, and left out")
    step, part, read = Decontaminate(found, mask_numbers), part_of(shard, [data_path], output_path), columns or {}
    told = {"data_path": data_path, "output_path": output_path, "against": dict(found.found)}
    job = StepsJob(
        step.name,
        [PlannedStep(step.name, "step", make=lambda _: step)],
        lambda: part.items(problem_rows(data_path, Columns(read, say))),
        output_path,
        {**told, "mask_numbers": mask_numbers, **({"columns": read} if read else {})},
        part=part,
    )
    counts = wait_for(run_steps(job, Console()))
    say_all(found_lines(step.summary()["contamination"], output_path))
    return print_summary(output_path, counts)
