"""`promptcot grade`: what a file of predictions is worth, and how sure one may be of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np

from promptcot.cli.console import say
from promptcot.cli.scores import comparison_lines, summary_lines
from promptcot.core.statistics import Summary, Tallies, compare, summarize
from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import load
from promptcot.evaluation.predictions import Golds, Graded, PredictionGrader
from promptcot.grading.grader import Grader
from promptcot.records import derive_seed
from promptcot.storage.atomic import write_json
from promptcot.storage.paths import beside
from promptcot.storage.writer import RowWriter

_WORKERS = 2


@click.command("grade")
@click.option(
    "--output-path",
    "predictions",
    type=click.Path(path_type=Path),
    help="The predictions to grade, one row for each trace (the published option's name).",
)
@click.option("--details", type=click.Path(path_type=Path), help="Write id, sample, correct, extracted, method here.")
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="A B",
    help="Grade two files of predictions, and give the difference B - A problem by problem.",
)
@click.option("--benchmark", help="Where predictions carry no answer: a benchmark's file or name that has it.")
@click.option("--unboxed", is_flag=True, help="Without a box, take the final line for an answer.")
@click.option("--k", "ks", type=click.IntRange(min=1), multiple=True, help="k of pass@k and majority@k; repeatable.")
@click.option(
    "--limit", type=click.FloatRange(0, min_open=True), default=5.0, show_default=True, help="Seconds a pair."
)
@click.option("--workers", type=click.IntRange(min=1), default=_WORKERS, show_default=True, help="Grading processes.")
def command(
    predictions: Path | None,
    details: Path | None,
    compare: tuple[Path, Path] | None,
    benchmark: str | None,
    unboxed: bool,
    ks: tuple[int, ...],
    limit: float,
    workers: int,
) -> int:
    """Grade predictions by the equivalence of answers, and say how good they are, source by source.

    Run the same command again after an interruption: what is graded is not graded again. A JSON file with
    all numbers is written beside the predictions.
    """
    if (predictions is None) == (compare is None):
        raise click.UsageError("give --output-path PREDICTIONS, or --compare A B")
    if compare is not None and details is not None:
        raise click.UsageError("--details goes with --output-path")
    with Grader(workers, limit) as grader:
        golds = _golds(benchmark, grader)
        files = compare or (predictions,)
        graded = [asyncio.run(tally_file(Path(str(file)), grader, golds, unboxed, details)) for file in files]
    summaries = [list(_summarize(file, tallies, ks)) for file, tallies in zip(files, graded, strict=True)]
    if compare is None:
        return 0
    return _compare(compare, graded, summaries)


def _summarize(file: Path | None, tallies: Tallies, ks: tuple[int, ...]) -> Iterator[Summary]:
    """Print what a file is worth, and write it down beside the file."""
    summaries = [summarize(tally, list(ks) or None, draws(tally.source)) for tally in tallies]
    target = beside(Path(str(file)), "grades.json")
    write_json(target, {"sources": {summary.source: summary.as_json() for summary in summaries}})
    for line in summary_lines(str(file), summaries):
        say(line)
    say(f"written: {target}")
    yield from summaries


def _compare(files: tuple[Path, Path], graded: list[Tallies], summaries: list[list[Summary]]) -> int:
    a, b = graded
    common = [summary.source for summary in summaries[0] if summary.source in b]
    if not common:
        raise InputError(f"{files[0]} and {files[1]} have no source in common, so there is nothing to compare")
    for source in common:
        found = compare(a[source], b[source])
        if not found.difference.n:
            raise InputError(
                f"{source}: no problem is in both files, by `id` or by the problem's own words, so nothing is compared"
            )
        for line in comparison_lines(found):
            say(line)
    return 0


async def tally_file(
    file: Path, grader: Grader, golds: Golds, unboxed: bool = False, details: Path | None = None
) -> Tallies:
    """The graded samples of a file of predictions; one row for each goes to `details`."""
    tallies = Tallies()
    with ExitStack() as held:
        writer = RowWriter(details) if details else None
        if writer is not None:
            held.callback(writer.discard)
        async for one in PredictionGrader(grader, golds, unboxed=unboxed).graded(file, beside(file, "grades")):
            _note(one, tallies, writer)
        if writer is not None:
            writer.commit()
    return tallies


def _note(one: Graded, tallies: Tallies, writer: RowWriter | None) -> None:
    tallies.add(one.source, one.problem, one.sampled, one.sample)
    if writer is not None:
        writer.write(one.details())


def draws(source: str) -> np.random.Generator:
    """For majority@k of more samples than can be counted: the same draws for the same source."""
    return np.random.default_rng(derive_seed("majority", source))


def _golds(benchmark: str | None, grader: Grader) -> dict[tuple[str, str], str]:
    if benchmark is None:
        return {}
    return {(row.source, row.id): row.gold for row in load(benchmark, grader.check_gold).rows}
