"""`promptcot show`: prints the history of one problem of a run, or an overview of the run."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import RUN_FOLDER
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.show import history_lines, overview_lines, review_json, state_line
from promptcot.core.history import assemble
from promptcot.inspection.files import RunFiles
from promptcot.inspection.finding import find, id_of
from promptcot.inspection.overview import overview
from promptcot.storage.reviews import reviews_in


@verb("show", example="promptcot show out/nano 67d9", groups={"What to print": ("full",)})
@click.argument("run", metavar="RUN", type=RUN_FOLDER)
@click.argument("row_id", metavar="[ID]", required=False)
@click.option("--full", is_flag=True, help="Print long critiques and traces completely.")
def command(run: Path, row_id: str | None, full: bool) -> int:
    """Print the history of one problem of RUN, a run directory: its text, ratings, votes, traces, the outcome of each
    step, and reviews.

    A unique prefix of an ID is enough. Without an ID, print an overview of the run, with some ids for each reason why
    rows were dropped. The run may be unfinished.
    """
    files = RunFiles.of(run)
    reviews = reviews_in(run).latest
    RESULT.add(directory=run, state=files.state)
    if row_id is None:
        found = overview(files)
        RESULT.add(**found.as_json(), rejected=sum(review.decision == "reject" for review in reviews.values()))
        say_all(overview_lines(files, found, reviews))
        return 0
    name = id_of(files, row_id)
    history, review = assemble(name, find(files, [name])[name]), reviews.get(name)
    RESULT.add(**history.as_json(), review=review_json(review))
    if files.state != "finished":
        say(state_line(files))
    say_all(history_lines(history, review, full=full))
    return 0
