"""`promptcot report`: writes a run as one HTML page, or two runs side by side.

`promptcot.report` writes the pages; the folder `cli/report` is about what verbs print.
"""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import RUN_FOLDER, TARGET_ALONE
from promptcot.cli.report.console import say
from promptcot.cli.report.result import RESULT
from promptcot.inspection.files import packed_files
from promptcot.report.comparison import write_comparison
from promptcot.report.writing import REPORT, write_report

COMPARISON = "comparison.html"


@verb("report", example="promptcot report out/nano")
@click.argument("runs", nargs=-1, required=True, type=RUN_FOLDER, metavar="RUN [RUN]")
@click.option(
    "--output",
    type=TARGET_ALONE,
    metavar="FILE",
    help=f"HTML file to write.  [default: {REPORT} in the run; {COMPARISON} in the first of two runs]",
)
def command(runs: tuple[Path, ...], output: Path | None) -> int:
    """Write a report of a run as one HTML page, or compare two runs side by side.

    RUN is a run directory, finished or not. The page shows the properties of the set, the rows dropped at each step
    with reasons, the agreement of judges, cost and time, the recipe, and 24 problems with their complete history. It
    contains no script and makes no requests, so it can be shared as one file. Every `promptcot run` writes it at the
    end.

    With two runs, the page shows how their sets differ, which differences are significant, and where the recipes
    differ.
    """
    if len(runs) > 2:
        raise click.UsageError(f"report takes one run, or two to compare; {len(runs)} were given")
    page = write_report(runs[0], output) if len(runs) == 1 else _compared(runs[0], runs[1], output)
    RESULT.wrote(page)
    for run in runs:
        if packed := packed_files(run):
            say(f"{run}: {', '.join(packed)}: not in the report, because only plain .jsonl files of a run are read")
    say(f"report: {page}")
    return 0


def _compared(first: Path, second: Path, output: Path | None) -> Path:
    return write_comparison(first, second, output or first / COMPARISON)
