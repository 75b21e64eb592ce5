"""`promptcot show`: the history of one problem of a run, or what the run has."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.parameters import RUN_FOLDER
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.show import history_lines, overview_lines, review_json, state_line
from promptcot.core.history import assemble
from promptcot.inspection.files import RunFiles
from promptcot.inspection.finding import find, id_of
from promptcot.inspection.overview import overview
from promptcot.storage.json import ascii_line
from promptcot.storage.reviews import reviews_in


@click.command("show")
@click.argument("run", metavar="RUN", type=RUN_FOLDER)
@click.argument("row_id", metavar="[ID]", required=False)
@click.option("--full", is_flag=True, help="Print long critiques and traces to their end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(run: Path, row_id: str | None, full: bool, as_json: bool) -> int:
    """Print the whole history of one problem of RUN, a run directory: its text, what judges and verifiers said of it,
    the traces, what each step made of it, and what reviewers decided.

    The beginning of an ID is enough where no other id begins so. Without an ID, print what the run has, with some ids
    for each reason why rows were left out. A run that is not finished can be looked at as well.

    Example: promptcot show out/nano 67d9
    """
    files = RunFiles.of(run)
    reviews = reviews_in(run).latest
    if row_id is None:
        found = overview(files)
        if as_json:
            rejected = sum(one.decision == "reject" for one in reviews.values())
            told = {"directory": str(run), "state": files.state, **found.as_json(), "rejected": rejected}
            say(ascii_line(told))
        else:
            say_all(overview_lines(files, found, reviews))
        return 0
    name = id_of(files, row_id)
    history, review = assemble(name, find(files, [name])[name]), reviews.get(name)
    if as_json:
        say(
            ascii_line(
                {"directory": str(run), "state": files.state, **history.as_json(), "review": review_json(review)}
            )
        )
        return 0
    if files.state != "finished":
        say(state_line(files))
    say_all(history_lines(history, review, full=full))
    return 0
