"""Grades a file of predictions: its graded samples, and their statistics for each source.

Grades are kept beside the file, so an interrupted grading resumes. `grading` compares answers, `predictions` grades one
prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptcot.core.columns import Columns
from promptcot.core.statistics import Comparison, Summary, Tallies, compare, summarize
from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import load
from promptcot.evaluation.golds import Problems
from promptcot.evaluation.predictions import Golds, PredictionGrader
from promptcot.grading.graders import Graders
from promptcot.records import derive_seed
from promptcot.storage.atomic import write_json
from promptcot.storage.paths import beside
from promptcot.storage.writer import RowWriter


@dataclass(frozen=True)
class FileGrades:
    """The graded samples of one file, their statistics, and the JSON file that holds these."""

    file: Path
    samples: Tallies
    summaries: Sequence[Summary]
    written: Path
    notes: Sequence[str] = ()
    """Warnings: damage, rows that could not be graded, golds that contradict each other."""
    unfit: int = 0
    """Rows that could not be graded, and are left out of all statistics."""


async def grade_file(
    file: Path,
    graders: Graders,
    golds: Golds,
    *,
    unboxed: bool = False,
    details: Path | None = None,
    ks: Sequence[int] = (),
    columns: Columns | None = None,
    problems: Problems | None = None,
    strict: bool = False,
) -> FileGrades:
    """Grade a file and write its statistics beside it. `ks` are the k of pass@k and majority@k, if not the usual ones.

    `problems` are those of other files in a comparison. Raises InputError for a first row that is no prediction, for a
    row with the id of another problem, and with `strict` for any that cannot be graded.
    """
    judge = PredictionGrader(graders, golds, unboxed=unboxed, columns=columns, problems=problems, strict=strict)
    samples = await _samples(judge, file, details)
    summaries = [summarize(source, list(ks) or None, draws(source.source)) for source in samples]
    target = beside(file, "grades.json")
    unfit = {"unfit": judge.unfit} if judge.unfit else {}
    write_json(target, {"sources": {summary.source: summary.as_json() for summary in summaries}, **unfit})
    return FileGrades(file, samples, summaries, target, judge.notes, judge.unfit)


async def graded_samples(file: Path, graders: Graders, unboxed: bool = False) -> Tallies:
    """The graded samples of a file of predictions that carry their golds."""
    return await _samples(PredictionGrader(graders, unboxed=unboxed), file)


async def _samples(judge: PredictionGrader, file: Path, details: Path | None = None) -> Tallies:
    """The samples that this grader finds in a file; one row for each goes to `details`."""
    samples = Tallies()
    with ExitStack() as held:
        writer = RowWriter(details) if details else None
        if writer is not None:
            held.callback(writer.discard)
        async for one in judge.graded(file):
            samples.add(one.source, one.problem, one.sampled, one.sample)
            if writer is not None:
                writer.write(one.details())
        if writer is not None:
            writer.commit()
    for (source, problem), joined in judge.joined.items():
        samples[source].join(problem, joined)
    return samples


def compare_files(a: FileGrades, b: FileGrades) -> list[Comparison]:
    """The difference b - a, source by source. Raises InputError if nothing can be compared."""
    common = [summary.source for summary in a.summaries if summary.source in b.samples]
    if not common:
        raise InputError(f"{a.file} and {b.file} have no source in common, so there is nothing to compare")
    found = [compare(a.samples[source], b.samples[source]) for source in common]
    for source, one in zip(common, found, strict=True):
        if not one.difference.n:
            raise InputError(
                f"{source}: no problem is in both files, by `id` or by the problem's own words, so nothing is compared"
            )
    return found


def draws(source: str) -> np.random.Generator:
    """Sampling for majority@k when there are too many subsets to count: the same sample for the same source."""
    return np.random.default_rng(derive_seed("majority", source))


def golds_of(benchmark: str | None, graders: Graders, problems: Problems, tell: Callable[[str], object] = str) -> Golds:
    """The golds of a benchmark, by name or file, for predictions without golds about its `problems`.

    `tell` receives warnings about contradicting golds.
    """
    if benchmark is None:
        return {}
    loaded = load(benchmark, graders)
    for line in loaded.contradictions:
        tell(f"note: {line}")
    rows = (*loaded.rows, *loaded.refused)  # refused golds too, so that each prediction for them is refused by its gold
    for row in rows:
        problems.know((row.source, row.id), row.problem, row.gold, f"the benchmark {benchmark}", worded=row.worded)
    return {(row.source, row.id): row.gold for row in rows}
