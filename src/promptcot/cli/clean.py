"""`promptcot clean`: removes what a finished run keeps to go on from, after showing how large it is."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.asking import agreed
from promptcot.cli.parameters import SOURCE_EITHER
from promptcot.cli.report.clean import as_numbers, lines
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.core.units import size
from promptcot.pipeline.leftovers import leftovers


@click.command("clean")
@click.argument("run", metavar="RUN_OR_FILE", type=SOURCE_EITHER)
@click.option("--keep-calls", is_flag=True, help="Remove only what no model would be asked for again.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without a question.")
def command(run: Path, keep_calls: bool, dry_run: bool, yes: bool) -> int:
    """Remove journals and work files of RUN_OR_FILE: the directory of a run, or an output of a verb, that is finished.

    First each is shown with its size, what it is for, and how many calls would be made again without it. Rows, summary
    and recipe stay. Links are left alone. A run that is not finished, or that somebody is writing, is refused.
    """
    found = leftovers(run, keep_calls=keep_calls)
    say_all(lines(found))
    RESULT.add(**as_numbers(found), removed=False)
    if not found.found:
        return 0
    if dry_run:
        say("nothing was removed (--dry-run)")
        return 0
    if agreed("remove this?", yes=yes, undone="nothing was removed"):
        found.remove()
        RESULT.add(removed=True)
        say(f"removed: {size(found.size)}")
    return 0
