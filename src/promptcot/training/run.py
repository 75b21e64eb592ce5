"""One training from recipe to model folder, whatever its method: where it goes on after an interruption, and its end.

Only the wiring: what each part decides stands in its module. Every process of a training runs this.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers.utils import logging as transformers_logging

from promptcot import nano
from promptcot.errors import InputError
from promptcot.storage.atomic import locked, storing, write_json
from promptcot.storage.manifest import manifest
from promptcot.training.checkpoints import Found, began_with, identity, latest
from promptcot.training.data import attention
from promptcot.training.files import DROPPED
from promptcot.training.kernels import choose
from promptcot.training.methods import method_of
from promptcot.training.methods.protocol import Material, Say
from promptcot.training.parallel import processes
from promptcot.training.recipe import TrainRecipe
from promptcot.training.saving import save
from promptcot.training.stopping import Stopper


def train(recipe: TrainRecipe, say: Say) -> Path:
    """Train, or go on with a training, and return the folder of the model.

    Raises InputError where the data or the settings are no longer those of the checkpoints, Diverged, and
    KeyboardInterrupt where it was asked to stop and has written a checkpoint.
    """
    _hush()
    kernels, method = choose(recipe), method_of(recipe)
    attention.register()
    args = method.arguments(recipe, kernels)
    first = args.process_index == 0
    tell = say if first else _silent
    with ExitStack() as held:
        if first:
            held.enter_context(locked(recipe.directory / "lock"))
        tell(f"{recipe.name}: {processes()} process{'es' * (processes() > 1)}; {kernels}")
        with args.main_process_first(desc="tokenise"):
            material = method.material(recipe, tell)
        found = _agreed(latest(recipe.directory))
        _go_on(recipe, material, found, first, tell)
        trainer = method.trainer(recipe, kernels, args, material, tell)
        stopper = Stopper(tell)
        trainer.add_callback(stopper)
        trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        if stopper.stopped:
            raise KeyboardInterrupt
        facts = {**material.facts, "kernels": str(kernels)}
        folder = save(trainer, material.tokenizer, recipe, recipe.directory, facts)
        tell(f"model: {folder}")
        return folder


def _silent(text: str) -> None:
    pass


def _hush() -> None:
    """The libraries' own chatter: what matters of it is told by the watcher, or raised."""
    transformers_logging.disable_progress_bar()
    for name in ("accelerate", "vllm", "trl.trainer.grpo_trainer"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")  # which is imported wherever it is there


def _began_with(recipe: TrainRecipe, material: Material) -> dict[str, Any]:
    """What must not change between two starts of one training.

    DeepSpeed's checkpoints are divided among processes, and fit only as many.
    """
    settings = recipe.model_dump(mode="json", include={"seed", "method", "schedule", "precision"})
    model = recipe.model.model_dump(mode="json", include={"path", "revision", "tokenizer"})
    parallel = recipe.parallelism
    settings |= {"model": model, "batch": recipe.sequences_per_step, "zero": parallel.zero}
    if recipe.schedule.step_by == "sequences":
        del settings["schedule"]["step_by"]  # trainings of earlier versions, which had no other steps, can go on
    settings["base"] = identity(Path(nano.resolve(recipe.model.path, "base")))
    if parallel.zero or parallel.fsdp:
        settings |= {"processes": processes(), "decay": "matrices"}  # which earlier versions did not have under ZeRO
    if parallel.fsdp:
        settings["fsdp"] = True
    if parallel.context > 1:
        settings["context"] = parallel.context
    if parallel.grad_accum_dtype:
        settings["grad_accum_dtype"] = parallel.grad_accum_dtype
    return {**material.fingerprint, "settings": settings}


def _agreed(found: Found) -> Found:
    """What the first process found: the others may see its checkpoint later, or, on a disk of their own, never.

    Raises InputError where a process does not see it.
    """
    [first] = broadcast_object_list([found])
    if first.path is not None and not first.path.is_dir():
        raise InputError(
            f"{first.path}: the first process goes on from this checkpoint, and process {os.environ.get('RANK')} does "
            "not see it: output_dir must be on a file system that all machines share"
        )
    agreed: Found = first
    return agreed


def _go_on(recipe: TrainRecipe, material: Material, found: Found, first: bool, tell: Say) -> None:
    for fault in found.passed_over:
        tell(f"note: {fault}; {'an older one is taken' if found.path else 'no older one is whole: it begins anew'}")
    if found.path:
        tell(f"going on from step {found.step:,} ({found.path.name})")
    if first:
        began_with(recipe.directory, _began_with(recipe, material), goes_on=found.path is not None)
        if material.dropped and material.dropped.exists():
            with storing(recipe.directory / DROPPED):
                shutil.copyfile(material.dropped, recipe.directory / DROPPED)
        write_json(recipe.directory / "recipe.json", manifest(recipe.model_dump(mode="json"), {}, {}))
