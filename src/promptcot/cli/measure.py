"""`promptcot measure`: measures a set of problems, or compares two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from promptcot.cli.help import verb
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


@verb(
    "measure",
    example="promptcot measure out/nano",
    groups={"What to measure": ("columns", "concepts", "vectors", "semantic")},
)
@click.argument("sets", nargs=-1, required=True, type=SOURCE_EITHER, metavar="RUN_OR_FILE [RUN_OR_FILE]")
@columns_option
@click.option(
    "--concepts",
    type=FILE_OR_NAME,
    help="Catalogue of concepts, a file or a name, to measure how much of it is covered.  [default: the run's]",
)
@click.option(
    "--vectors",
    multiple=True,
    type=SOURCE,
    help="Embeddings of the problems: rows with `id` and `problem_vector`, or embeddings named by id or text; one "
    "file per "
    "set.  [default: the run's, if any]",
)
@click.option(
    "--semantic",
    type=MODEL_OR_NAME,
    help="Compute the embeddings with this model instead: a folder (a sentence-transformers model works best), or a "
    "name on a server.",
)
@serving_options
def command(
    sets: tuple[Path, ...],
    concepts: str | None,
    vectors: tuple[Path, ...],
    semantic: str | None,
    **options: Any,
) -> int:
    """Measure a set of problems, or compare two. RUN_OR_FILE is a run directory or a file of rows.

    Reports yield by step, level and concept (for a run), validity by agreement, pass rates, concepts, near-duplicates,
    distances between embeddings, and the cost of a problem. For two sets it reports the differences, and whether they
    are larger than expected by chance.
    """
    if len(sets) > 2:
        raise click.UsageError(f"measure takes one set, or two to compare; {len(sets)} were given")
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
    """The source of the embeddings of each set, from the options. Raises click.UsageError."""
    if semantic is None:
        return [partial(vectors_by_id, file) for file in files]
    if files:
        raise click.UsageError(
            "--vectors and --semantic cannot be combined: read embeddings from files or compute them"
        )
    return [vectors_by(served_as(semantic, serving), observer)] * 2
