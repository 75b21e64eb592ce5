"""`promptcot measure`: what a set of problems is like, and how two sets differ."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from promptcot.cli.options import served_as, serving_options
from promptcot.cli.parameters import (
    FILE_OR_NAME,
    MODEL_OR_NAME,
    SOURCE,
    SOURCE_EITHER,
    columns_option,
    take_columns,
)
from promptcot.cli.report.console import Console, say, say_all
from promptcot.cli.report.measure import comparison_lines, measure_lines
from promptcot.cli.report.result import RESULT
from promptcot.core.measures.comparing import compared, in_both
from promptcot.pipeline.embedding import vectors_by
from promptcot.pipeline.measure import measured
from promptcot.pipeline.observer import Observer
from promptcot.pipeline.vectors import VectorsOf, vectors_by_id


@click.command("measure")
@click.argument("sets", nargs=-1, required=True, type=SOURCE_EITHER, metavar="RUN_OR_FILE [RUN_OR_FILE]")
@columns_option
@click.option(
    "--concepts",
    type=FILE_OR_NAME,
    help="The catalogue of concepts, to say which share of it is used: a file, or a name.  [default: the run's]",
)
@click.option(
    "--vectors",
    multiple=True,
    type=SOURCE,
    help="Vectors of the problems: rows with `id` and `problem_vector`, or embeddings named by id or by text; repeat "
    "it for a second set.  [default: those of the run, if it made some]",
)
@click.option(
    "--semantic",
    type=MODEL_OR_NAME,
    help="Ask this model for vectors instead: a folder, best one of sentence-transformers, or a server's name for one.",
)
@serving_options
def command(
    sets: tuple[Path, ...],
    concepts: str | None,
    vectors: tuple[Path, ...],
    semantic: str | None,
    **options: Any,
) -> int:
    """Say what a set of problems is like: RUN_OR_FILE is the directory of a run, or a file of rows.

    Yield by step, level and concept (of a run), validity by agreement, pass rates, concepts, problems that are alike,
    distances of vectors, and what a problem took. With two sets, how they differ and whether it is beyond noise.
    """
    if len(sets) > 2:
        raise click.UsageError(f"one set is measured, or two are compared; {len(sets)} were given")
    if len(vectors) > len(sets):
        raise click.UsageError("--vectors: give at most one file for each set")
    columns, serving = take_columns(options, say)
    given = [*_vectors(vectors, semantic, serving, Console()), *[None] * len(sets)]
    found = [measured(path, columns, concepts, by) for path, by in zip(sets, given, strict=False)]
    if len(found) == 1:
        RESULT.add(**found[0].as_json())
        say_all(measure_lines(found[0].as_json()))
        return 0
    one, other = found
    differences, both = compared(one, other), in_both(one, other)
    RESULT.add(a=one.as_json(), b=other.as_json(), in_both=both)
    RESULT.add(differences=[difference.as_json() for difference in differences])
    say_all(comparison_lines((one.name, other.name), differences, both, (one.tally.rows, other.tally.rows)))
    return 0


def _vectors(
    files: tuple[Path, ...], semantic: str | None, serving: dict[str, Any], observer: Observer
) -> list[VectorsOf]:
    """Where vectors are from, of each set for which it is said. Raises click.UsageError."""
    if semantic is None:
        return [partial(vectors_by_id, file) for file in files]
    if files:
        raise click.UsageError("--vectors and --semantic: vectors are read, or a model is asked for them; give one")
    return [vectors_by(served_as(semantic, serving), observer)] * 2
