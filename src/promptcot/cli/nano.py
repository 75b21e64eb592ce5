"""`promptcot nano`: where the embedded models lie, and the truth about a run on them."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot import nano
from promptcot.cli.parameters import SOURCE_EITHER
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.truth import truth_lines
from promptcot.nano.truth import Truth
from promptcot.pipeline.set_file import SET
from promptcot.storage.rows import read_rows


@click.group("nano")
def command() -> None:
    """The embedded model: a miniature world in which the truth about every problem is known."""


@command.command("path")
@click.argument("role", type=click.Choice(nano.ROLES))
def path(role: str) -> int:
    """Print the folder of the embedded model for ROLE, for other programs to load."""
    folder = nano.path(role)
    RESULT.add(role=role, path=folder)
    say(str(folder))
    return 0


@command.command("check")
@click.argument("run", type=SOURCE_EITHER)
def check(run: Path) -> int:
    """Solve the problems of RUN (a run directory, or a file of rows with `problem`) exactly and say what is true.

    For a run directory the accepted problems and those of its set are put beside everything that was generated.
    """
    files = {"generated": run / "generate.jsonl", "accepted": run / "filter.jsonl"} if run.is_dir() else {"rows": run}
    if (run / SET).exists():
        files["in the set"] = run / SET
    for name, file in files.items():
        truth = Truth()
        for row in read_rows(file, may_be_empty=True):
            truth.add(row)
        RESULT.add(truth={name: truth.as_json()})
        say_all(truth_lines(name, truth))
    return 0
