"""`promptcot report`: a run as one page of HTML, or two runs side by side.

The folder `cli/report` holds what is printed; the pages are made in `promptcot.report`.
"""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.parameters import RUN_FOLDER, TARGET_ALONE
from promptcot.cli.report.console import say
from promptcot.report.comparison import write_comparison
from promptcot.report.writing import REPORT, write_report

COMPARISON = "comparison.html"


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=RUN_FOLDER, metavar="RUN [RUN]")
@click.option(
    "--output",
    type=TARGET_ALONE,
    metavar="FILE",
    help=f"The page to write.  [default: {REPORT} in the run, {COMPARISON} in the first of two]",
)
def command(runs: tuple[Path, ...], output: Path | None) -> int:
    """Write what a run made as one page of HTML, or two runs side by side.

    RUN is the directory of a run, finished or not. The page shows what the set is like, what was left out at each step
    and why, how far judges agree, cost and time, the recipe, and 24 problems with all that was said of them. It has no
    script and loads nothing, so it can be sent to anybody. Every `promptcot run` writes it when it ends.

    With two runs, it shows how their sets differ, which differences are beyond noise, and where the recipes differ.

    Examples: promptcot report out/nano; promptcot report out/a out/b --output a-and-b.html
    """
    if len(runs) > 2:
        raise click.UsageError(f"one run is reported, or two are compared; {len(runs)} were given")
    if len(runs) == 1:
        say(f"report: {write_report(runs[0], output)}")
    else:
        say(f"report: {write_comparison(runs[0], runs[1], output or runs[0] / COMPARISON)}")
    return 0
