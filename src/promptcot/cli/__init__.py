"""The command line: parse, call, print. The only place that prints.

Verbs are imported when they are chosen, so that `promptcot --help` stays quick and loads no heavy library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns 0 (done), 1 (stopped), 2 (wrong usage), 3 (failed rows) or 130 (interrupted)."""
    from promptcot.cli.report.terminal import guard
    from promptcot.cli.root import run

    if arguments is None:  # this process is ours
        guard()
    return run(list(sys.argv[1:] if arguments is None else arguments))
