"""`python -m promptcot.training RECIPE …`: the entry point that deepspeed, torchrun and accelerate start in each
process.

It does the same as `promptcot train`, with the same options; arguments that a launcher adds are ignored.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from promptcot.cli import program
from promptcot.cli.report.console import complain
from promptcot.interruption import INTERRUPTED
from promptcot.training.launch import launched, leave

_OF_LAUNCHERS = ("--local_rank", "--local-rank")
_PATIENCE = 3.0  # seconds in which the first process may stop for the same reason


def without_launcher(arguments: Sequence[str]) -> list[str]:
    """The arguments without DeepSpeed's `--local_rank=N`, which its processes also find in their environment."""
    return [one for one in arguments if one.partition("=")[0] not in _OF_LAUNCHERS]


def run() -> int:
    """Train; returns the exit code. An error that stops all processes is reported by the first one, so the others wait
    for it.
    """
    if launched() and any(one.partition("=")[0] == "--journal" for one in sys.argv[1:]):
        complain("promptcot: --journal: each process would copy the model; `promptcot train` does so once")
        return 2
    code = program(["train", *without_launcher(sys.argv[1:])])
    if code in (0, INTERRUPTED):
        leave()
    if code and os.environ.get("RANK", "0") != "0":
        time.sleep(_PATIENCE)
    return code


if __name__ == "__main__":
    sys.exit(run())
