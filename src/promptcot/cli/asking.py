"""The one question that a command may ask a person: whether to do what it has just shown."""

from __future__ import annotations

import sys

import click

from promptcot.cli.report.console import say
from promptcot.errors import UsageError


def agreed(question: str, *, yes: bool, undone: str) -> bool:
    """Whether to go on: by --yes, or by an answer on a terminal; says what was left `undone` where the answer is no.

    Raises UsageError where nobody can be asked.
    """
    if yes:
        return True
    if not on_terminal():
        raise UsageError(f"{undone}: there is no terminal to ask; give --yes to do it, or --dry-run to look only")
    if click.confirm(question):
        return True
    say(undone)
    return False


def on_terminal() -> bool:
    """Whether there is a person who reads and can answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
