"""`promptcot grade`: what a file of predictions is worth, and how sure one may be of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli.parameters import (
    ABOVE_ZERO,
    BESIDE,
    COUNT,
    FILE_OR_NAME,
    TARGET_ALONE,
    columns_option,
    take_columns,
    verifier_option,
)
from promptcot.cli.report.console import exit_code, say, say_all, warn
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.scores import comparison_lines, summary_lines
from promptcot.evaluation.golds import Problems
from promptcot.evaluation.grades import FileGrades, compare_files, golds_of, grade_file
from promptcot.grading.graders import Graders
from promptcot.pipeline.synchronous import wait_for

_WORKERS = 2


@click.command("grade")
@click.option(
    "--output-path",
    "predictions",
    type=BESIDE,
    help="The predictions to grade, one row for each trace (the published option's name).",
)
@columns_option
@click.option("--details", type=TARGET_ALONE, help="Write id, sample, correct, extracted, method here.")
@click.option(
    "--compare",
    nargs=2,
    type=BESIDE,
    metavar="A B",
    help="Grade two files of predictions, and give the difference B - A problem by problem.",
)
@click.option(
    "--benchmark", type=FILE_OR_NAME, help="Where predictions carry no answer: a benchmark's file or name that has it."
)
@verifier_option
@click.option("--unboxed", is_flag=True, help="Without a box, take the final line for an answer.")
@click.option("--strict", is_flag=True, help="Stop at the first row that cannot be graded; exit code 1 then.")
@click.option("--k", "ks", type=COUNT, multiple=True, help="k of pass@k and majority@k; repeatable.")
@click.option("--limit", type=ABOVE_ZERO, default=5.0, show_default=True, help="Seconds a pair.")
@click.option("--workers", type=COUNT, default=_WORKERS, show_default=True, help="Grading processes.")
def command(predictions: Path | None, compare: tuple[Path, Path] | None, **options: Any) -> int:
    """Grade predictions by the equivalence of answers, and say how good they are, source by source.

    Run the same command again after an interruption: what is graded is not graded again. A JSON file with
    all numbers is written beside the predictions. Rows that cannot be graded, such as those without a gold, or with
    one that does not equal itself, are counted and left out, and written to a file beside the numbers; exit code 3
    then, and 1 where no row can be graded.
    """
    if (predictions is None) == (compare is None):
        raise click.UsageError("give --output-path PREDICTIONS, or --compare A B")
    if compare is not None and options["details"] is not None:
        raise click.UsageError("--details goes with --output-path")
    columns, _ = take_columns(options, say)
    how = {"columns": columns, **{name: options[name] for name in ("unboxed", "details", "ks", "strict")}}
    with Graders(options["workers"], options["limit"], named=options["verifier"]) as graders:
        how["problems"] = problems = Problems(graders)
        golds = golds_of(options["benchmark"], graders, problems, say)
        graded = [wait_for(grade_file(Path(str(file)), graders, golds, **how)) for file in compare or (predictions,)]
    for one in graded:
        _print(one)
    if compare is not None:
        for found in compare_files(*graded):
            RESULT.append("comparisons", found)
            say_all(comparison_lines(found))
    nothing = any(one.unfit and not one.samples for one in graded)
    return exit_code(nothing=nothing, failed=any(one.unfit for one in graded))


def _print(graded: FileGrades) -> None:
    sources = {summary.source: summary.as_json() for summary in graded.summaries}
    RESULT.append("graded", {"file": graded.file, "sources": sources, "unfit": graded.unfit})
    RESULT.wrote(graded.written)
    for note in graded.notes:
        warn(f"note: {note}")
    say_all(summary_lines(str(graded.file), list(graded.summaries)))
    say(f"written: {graded.written}")
