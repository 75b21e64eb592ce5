"""Starts the processes of a training run on this machine if no launcher has started them.

Decides how many there are, which device a single one sees, and what they print: the first process prints, and the
output of the others goes to a file, which is shown when one of them stops the training. On several machines, deepspeed,
torchrun or accelerate start the same module, `promptcot.training`, with the same arguments.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from promptcot.engines.machine import visible_gpus
from promptcot.interruption import INTERRUPTED, PARENT, handlers_kept
from promptcot.training.files import LOGS
from promptcot.training.recipe import TrainRecipe

_FAILED = 1
_PATIENCE = 1800
"""Seconds that stopping processes have to finish their step and write a checkpoint."""


def launched() -> bool:
    """Whether a launcher has started this process already."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def processes_for(recipe: TrainRecipe, asked: int | None) -> int:
    """The number of processes to start: as requested, else one for each visible GPU, up to the recipe's devices."""
    return asked or max(1, min(_gpus(), recipe.parallelism.devices))


def _gpus() -> int:
    """GPUs reported by nvidia-smi, or else by torch: other vendors, slices, or in containers without nvidia-smi."""
    import torch

    return len(visible_gpus()) or torch.cuda.device_count()


def needs_launcher(recipe: TrainRecipe, processes: int) -> bool:
    """Whether a launcher is needed: for several processes, and for DeepSpeed, which requires ranks."""
    return not launched() and (processes > 1 or recipe.parallelism.zero > 0)


def start(arguments: Sequence[str], processes: int, directory: Path, say: Callable[[str], None]) -> int:
    """Run `promptcot.training` with these arguments in several processes; returns the exit code of the one that failed.

    The processes are started by torchrun, whose agent ends all when one fails or when it is interrupted itself.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ[PARENT] = str(os.getpid())
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # its output is repeated here
    quiet = dict.fromkeys(range(1, processes), Std.ERR)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id=uuid.uuid4().hex[:8],
        max_restarts=0,
        shutdown_timeout=_PATIENCE,
        logs_specs=DefaultLogsSpecs(log_dir=str(directory / LOGS), redirects=quiet),
    )
    try:
        with handlers_kept():
            elastic_launch(config, sys.executable)("-m", "promptcot.training", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        for line in _last_words(directory / LOGS, rank):
            say(f"process {rank}: {line}")
        if failure.exitcode == INTERRUPTED:
            raise KeyboardInterrupt from error
        return failure.exitcode if failure.exitcode > 0 else _FAILED
    except SignalException as error:
        raise KeyboardInterrupt from error
    return 0


def _last_words(logs: Path, rank: int, most: int = 30) -> list[str]:
    """The last lines that a process other than the first wrote to standard error."""
    found = sorted(logs.glob(f"*/attempt_0/{rank}/stderr.log"), key=lambda path: path.stat().st_mtime)
    return found[-1].read_text(errors="replace").splitlines()[-most:] if found else []


def leave() -> None:
    """Leave the process group, once all processes are done: its threads must not outlive the process."""
    torch: Any = sys.modules.get("torch")  # None if no training was started
    if torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def set_environment() -> None:
    """Set the environment variables that torch and DeepSpeed need when a training process loads them.

    A process without a launcher sees one GPU only, because it would spread the model over all. Processes of a launcher
    choose theirs by rank. Without a GPU, DeepSpeed is told to use the CPU, which avoids a warning.
    """
    if not launched() and len(gpus := visible_gpus()) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[0].uuid
    if not _gpus():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
