"""Starts the processes of a training on this machine, where no launcher has started them.

Decides how many, and which device a single one sees. On several machines deepspeed, torchrun or accelerate start the
same module, `promptcot.training`, with the same arguments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from promptcot.engines.gpus import visible_gpus
from promptcot.training.recipe import TrainRecipe


def launched() -> bool:
    """Whether a launcher has started this process already."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def processes_for(recipe: TrainRecipe, asked: int | None) -> int:
    """How many processes to start: as many as asked, else one for each visible GPU, up to the recipe's devices."""
    return asked or max(1, min(len(visible_gpus()), recipe.parallelism.devices))


def needs_launcher(recipe: TrainRecipe, processes: int) -> bool:
    """Whether a plain start is not enough: for several processes, and for DeepSpeed, which wants them numbered."""
    return not launched() and (processes > 1 or recipe.parallelism.zero > 0)


def start(arguments: Sequence[str], processes: int) -> int:
    """Run `promptcot.training` with these arguments in so many processes, under torch's launcher; the exit code."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
    return subprocess.run([*command, "-m", "promptcot.training", *arguments], env=environment).returncode


def see_one_gpu() -> None:
    """Hide all GPUs but the first from a process that no launcher started: it would spread the model over them.

    To be called before torch looks. The processes of a launcher choose their GPU by their number.
    """
    if not launched() and len(gpus := visible_gpus()) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[0].uuid
