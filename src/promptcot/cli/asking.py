"""Asks the user for confirmation, the only question that a command may ask."""

from __future__ import annotations

import sys

import click

from promptcot.cli.report.console import say
from promptcot.errors import UsageError


def agreed(question: str, *, yes: bool, undone: str) -> bool:
    """Whether --yes or an answer on the terminal confirms; if the answer is no, print `undone`, the consequence.

    Raises UsageError without a terminal.
    """
    if yes:
        return True
    if not on_terminal():
        raise UsageError(
            f"{undone}: there is no terminal for confirmation; use --yes to confirm, or --dry-run for a preview"
        )
    if click.confirm(question):
        return True
    say(undone)
    return False


def on_terminal() -> bool:
    """Whether standard input and output are a terminal."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
