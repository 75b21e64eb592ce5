"""`python -m promptcot.training RECIPE …`: what deepspeed, torchrun and accelerate start in each of their processes.

The same as `promptcot train`, with the same options; what a launcher adds for itself is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from promptcot.cli import main

_OF_LAUNCHERS = ("--local_rank", "--local-rank")


def without_launcher(arguments: Sequence[str]) -> list[str]:
    """The arguments without DeepSpeed's `--local_rank=N`, which its processes also find in their environment."""
    return [one for one in arguments if one.partition("=")[0] not in _OF_LAUNCHERS]


if __name__ == "__main__":
    sys.exit(main(["train", *without_launcher(sys.argv[1:])]))
