"""`promptcot grade`: grades a file of predictions, and reports accuracy with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli.help import verb
from promptcot.cli.options import grading_options
from promptcot.cli.parameters import (
    BENCHMARK,
    BESIDE,
    COUNT,
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


@verb(
    "grade",
    example="promptcot grade --output-path out/eval-nano/nano.jsonl --k 1 --k 4",
    groups={
        "Input and output": ("predictions", "compare", "columns", "benchmark", "details", "journal"),
        "Statistics": ("ks",),
    },
)
@click.option(
    "--output-path",
    "predictions",
    type=BESIDE,
    help="Predictions to grade, one row per trace; give either this or --compare.",
)
@columns_option
@click.option(
    "--details",
    type=TARGET_ALONE,
    help="Also write id, sample, correct, extracted and method of each prediction to this file.  [default: not "
    "written]",
)
@click.option(
    "--compare",
    nargs=2,
    type=BESIDE,
    metavar="A B",
    help="Grade two files of predictions, and report the difference B - A, paired by problem.",
)
@click.option(
    "--benchmark",
    type=BENCHMARK,
    help="Benchmark with the gold answers, by name or file.  [default: the predictions contain them]",
)
@verifier_option
@click.option("--unboxed", is_flag=True, help="Use the final line as the answer of a trace without a \\boxed answer.")
@click.option("--strict", is_flag=True, help="Stop with exit code 1 at the first row that cannot be graded.")
@click.option(
    "--k",
    "ks",
    type=COUNT,
    multiple=True,
    help="Report pass@k and majority@k for this k.  [default: 1, 2, 4, 8, ... and the number of traces]",
)
@grading_options
def command(predictions: Path | None, compare: tuple[Path, Path] | None, **options: Any) -> int:
    """Grade predictions by the equivalence of answers, and report accuracy, pass@k and majority@k for each source.

    Run the same command again after an interruption: nothing is graded twice. A JSON file with all numbers is written
    beside the predictions. Rows that cannot be graded are left out, counted, and written to a file beside the numbers;
    examples are rows without a gold answer, and rows whose gold answer the verifier does not find equal to itself. The
    exit code is then 3, or 1 if no row can be graded.
    """
    if (predictions is None) == (compare is None):
        raise click.UsageError("give --output-path PREDICTIONS, or --compare A B")
    if compare is not None and options["details"] is not None:
        raise click.UsageError("--details needs --output-path PREDICTIONS, and cannot be combined with --compare")
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
