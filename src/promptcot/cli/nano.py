"""`promptcot nano`: prints the folder of an embedded model, and checks a run on these models exactly."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot import nano
from promptcot.cli.help import VerbGroup
from promptcot.cli.parameters import SOURCE_EITHER
from promptcot.cli.report.console import say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.truth import truth_lines
from promptcot.nano.truth import Truth
from promptcot.pipeline.set_file import SET
from promptcot.storage.rows import read_rows


@click.group("nano", cls=VerbGroup, example="promptcot nano check out/nano")
def command() -> None:
    """Tools for the embedded models, whose problems can be solved exactly, so that every result can be checked."""


@command.command("path", example="promptcot nano path solver")
@click.argument("role", type=click.Choice(nano.ROLES))
def path(role: str) -> int:
    """Print the folder of the embedded model for ROLE, so that other programs can load it."""
    folder = nano.path(role)
    RESULT.add(role=role, path=folder)
    say(str(folder))
    return 0


@command.command("check", example="promptcot nano check out/nano")
@click.argument("run", type=SOURCE_EITHER)
def check(run: Path) -> int:
    """Solve the problems of RUN exactly, and report how many are well-posed and how many labels are right.

    RUN is a run directory or a file of rows with a `problem`. For a run directory, the accepted problems and those of
    the set are compared with everything that was generated.
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
