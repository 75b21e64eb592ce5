"""`promptcot clean`: lists the journals and work files of a finished run, and removes them."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.asking import agreed
from promptcot.cli.help import verb
from promptcot.cli.parameters import SOURCE_EITHER
from promptcot.cli.report.clean import as_numbers, lines
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.core.units import size
from promptcot.pipeline.leftovers import leftovers


@verb(
    "clean",
    example="promptcot clean out/nano --dry-run",
    groups={"What to remove": ("keep_calls",)},
)
@click.argument("run", metavar="RUN_OR_FILE", type=SOURCE_EITHER)
@click.option("--keep-calls", is_flag=True, help="Keep everything that would take model calls to make again.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Remove without asking for confirmation.")
def command(run: Path, keep_calls: bool, dry_run: bool, yes: bool) -> int:
    """Remove the journals and work files of a finished run. RUN_OR_FILE is a run directory or the output of a verb.

    Each file is listed first, with its size, its purpose, and the number of model calls that it would take to make it
    again. Rows, summaries and recipes are kept, and links are not followed. A run that is unfinished or in use is left
    alone.
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
