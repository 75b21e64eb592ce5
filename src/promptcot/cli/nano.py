"""`promptcot nano`: prints the folder of an embedded model, and checks a run on these models exactly."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot import nano
from promptcot.cli.help import VerbGroup
from promptcot.cli.parameters import SOURCE_EITHER
from promptcot.cli.report.console import say, say_all, warn
from promptcot.cli.report.layout import hanging
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.show import UNFINISHED, state_line
from promptcot.cli.report.truth import (
    HOW_MARKED,
    WRONG,
    ceiling_line,
    finder_lines,
    judge_lines,
    truth_lines,
    wrong_line,
)
from promptcot.errors import InputError
from promptcot.inspection.files import RunFiles
from promptcot.nano import runs

_NO_PROBLEMS = {
    "finished": "the run ended before `generate`; run it again with a later --until, or without",
    "being written": "a process is writing the run; wait for it to end",
    "interrupted": UNFINISHED,
    "incomplete": "files of the run are missing; the same `promptcot run` command writes them again",
}
"""Why a run in each state has no problems, and the way out."""


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


@command.command("check", example="promptcot nano check out/nano", groups={"What to print": ("wrong",)})
@click.argument("run", type=SOURCE_EITHER)
@click.option("--wrong", is_flag=True, help="Also name each row with which something is wrong, and say what.")
def check(run: Path, wrong: bool) -> int:
    """Solve the problems of RUN exactly, and report how many are sound, and who finds the others.

    RUN is a run directory, or a file of rows with the fields that runs write: `problem`, and if they have them
    `foundational_concepts`, `level`, `rationale`, `answer` and `agreement`. For a run directory the table shows, side
    by side, what was generated, accepted by the judges, verified and labelled: which problems are well-posed, of the
    level and with the concepts that were asked for (wholly right: all three), whether their labels are right, and of
    which kind their rationales are. Below stand the precision and the recall of each judge and verifier. nano/README.md
    explains each number.
    """
    if run.is_dir():
        _check_files(RunFiles.of(run))
    runs.check_world(run)
    found = runs.truths(run) if run.is_dir() else {"rows": runs.truth_of(run)}
    if not any(one.problems for one in found.values()):
        raise InputError(f"{run}: its files have no rows, so there is nothing to check")
    RESULT.add(truth={"stages": {name: {**one.as_json(), **one.counts()} for name, one in found.items()}})
    say_all(truth_lines(found))
    if run.is_dir():
        _check_run(run)
    if wrong:
        rows = list(runs.wrong_rows(run))
        RESULT.add(truth={"wrong": rows})
        say_all(["", WRONG, *map(wrong_line, rows)] if rows else ["", "nothing is wrong with any row"])
    return 0


def _check_files(files: RunFiles) -> None:
    """Warn of an unfinished run, and of files that are missing. Raises InputError if there are no problems."""
    if not runs.stage_files(files.directory):
        names = ", ".join(f"{stage}.jsonl" for stage in runs.STAGES.values())
        raise InputError(f"{files.directory}: it has none of {names}; {_NO_PROBLEMS[files.state]}")
    if files.state != "finished":
        warn(state_line(files))


def _check_run(run: Path) -> None:
    """Report what could be had, and how well judges and verifiers found what is wrong."""
    ceiling, judges, verifiers = runs.ceiling(run), runs.judges(run), runs.verifiers(run)
    RESULT.add(ceiling=ceiling.as_json(), judges={name: one.as_json() for name, one in judges.items()})
    RESULT.add(verifiers={name: one.as_json() for name, one in verifiers.items()})
    if ceiling.whole:
        say(ceiling_line(ceiling))
    if judges or verifiers:
        say_all(["", hanging("", HOW_MARKED)])
    for name, one in judges.items():
        say_all(["", *judge_lines(name, one)])
    if (together := runs.filtered(run)) is not None:
        RESULT.add(judges_together=together.as_json())
        say_all(["", *finder_lines("all judges together, by what the filter drops", together)])
    for name, one in verifiers.items():
        say_all(["", *finder_lines(f"verifier {name}", one)])
