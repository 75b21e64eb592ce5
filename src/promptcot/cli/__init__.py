"""The command line: parse, call, print. The only place that prints.

Verbs are imported when they are chosen, so that `promptcot --help` stays quick and loads no heavy library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_KEPT = "What was finished is kept: run the same command again to go on."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns 0 (done), 1 (stopped), 2 (wrong usage), 3 (failed rows) or 130 (interrupted).

    Without `arguments` it is the program itself and handles signals: see `program`.
    """
    if arguments is None:
        return program(sys.argv[1:])
    from promptcot.cli.root import run

    return run(list(arguments))


def program(arguments: Sequence[str]) -> int:
    """Run one command line as a program that ends afterwards: Ctrl-C, SIGTERM and SIGHUP end it with 130 from here on.

    A signal after the exit code is known does not change it.
    """
    from promptcot.interruption import INTERRUPTED, Program, end_with_parent, handled, held

    signals = Program(f"Stopped at once. {_KEPT}")
    try:
        with held():
            from promptcot.cli import root  # noqa: F401 — stopped_early needs it whole
            from promptcot.cli.report.terminal import guard

            signals.begin()
        end_with_parent()
        guard()
        code = main(arguments)
        signals.over()
    except KeyboardInterrupt:  # before the command began, or while it ended
        signals.over()
        handled()
        say_interrupted()
        from promptcot.cli.root import stopped_early

        stopped_early(arguments)
        return INTERRUPTED
    return code


def say_interrupted() -> None:
    """Say how to resume; standard error may be closed by now."""
    try:
        sys.stderr.write(f"Interrupted. {_KEPT}\n")
        sys.stderr.flush()
    except OSError:
        pass
