"""Trains a model, from recipe to model folder, whatever its method, including resuming and stopping.

This module only connects the parts; each part decides in its own module. Every process of a training runs it.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback
from transformers.utils import logging as transformers_logging

from promptcot import nano
from promptcot.errors import InputError
from promptcot.evaluation.recipe import EvalRecipe
from promptcot.storage.atomic import locked, storing, write_json
from promptcot.storage.manifest import manifest
from promptcot.training.best.callbacks import Best, Exam, StoppedEarly, take_best
from promptcot.training.best.contaminated import refuse_benchmark_rows
from promptcot.training.best.deciding import CRITERIA
from promptcot.training.best.evaluation import eval_recipe
from promptcot.training.best.questions import Question, questions
from promptcot.training.checkpoints import Found, began_with, identity, latest
from promptcot.training.data import attention
from promptcot.training.files import DROPPED, folders_of
from promptcot.training.kernels import choose
from promptcot.training.lengthening import Length, missed, refuse_shorter
from promptcot.training.machine_recipe import Precision
from promptcot.training.methods import method_of
from promptcot.training.methods.protocol import Material, Say
from promptcot.training.parallel import processes
from promptcot.training.recipe import Lora, Method, Schedule, TrainRecipe
from promptcot.training.saving import save
from promptcot.training.stopping import Stopper

_FREE = ("settings.schedule.max_steps", "settings.schedule.epochs", "settings.method.lora.save")
"""Settings that may change: the length, which `lengthening` checks, and the output."""


def train(recipe: TrainRecipe, say: Say) -> Path:
    """Start or resume a training run, and return the folder of the model.

    Raises InputError if the data or the settings differ from those of the checkpoints, Diverged, and KeyboardInterrupt
    after a requested stop with a checkpoint.
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
        passed_over = _go_on(recipe, material, found, first, tell)
        with args.main_process_first(desc="benchmark"):
            exam = _exam(recipe, material, first, tell)
        trainer = method.trainer(recipe, kernels, args, material, tell)
        stopper = Stopper(tell)
        for callback in (Length(found, passed_over, tell), *_judges(trainer, recipe, exam, tell), stopper):
            trainer.add_callback(callback)
        with suppress(StoppedEarly):
            trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        if stopper.stopped:
            raise KeyboardInterrupt
        facts = {**material.facts, "kernels": str(kernels), **take_best(trainer, recipe, tell)}
        folder = save(trainer, material.tokenizer, recipe, recipe.directory, facts)
        for name in folders_of(recipe):
            tell(f"{name}: {recipe.directory / name}")
        return folder


def _silent(text: str) -> None:
    pass


def _hush() -> None:
    """Silence the libraries' own output: the important parts are reported by the watcher, or raised."""
    transformers_logging.disable_progress_bar()
    for name in ("accelerate", "vllm", "trl.trainer.grpo_trainer"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")  # TRL imports vLLM if it is installed


def _exam(recipe: TrainRecipe, material: Material, first: bool, tell: Say) -> tuple[EvalRecipe, list[Question]] | None:
    """The benchmark of `watch.eval` and its questions. Raises InputError if training rows contain its problems."""
    watched, tokenizer = recipe.watch.eval, material.tokenizer
    if watched is None:
        return None
    evaluation = eval_recipe(watched, chat=bool(tokenizer.chat_template))
    if first:
        refuse_benchmark_rows(material.prompts, evaluation)
    return evaluation, questions(evaluation, tokenizer, watched.problems, tell)


def _judges(
    trainer: Any, recipe: TrainRecipe, exam: tuple[EvalRecipe, list[Question]] | None, tell: Say
) -> Iterator[TrainerCallback]:
    """The callbacks that evaluate a training run, and decide by the results."""
    if exam is not None:
        yield Exam(trainer, recipe, *exam)
    if (criterion := CRITERIA.get(recipe.checkpoints.best)) is not None:
        yield Best(criterion, recipe.checkpoints.patience, tell)


def _began_with(recipe: TrainRecipe, material: Material) -> dict[str, Any]:
    """The settings that must not change between two starts of one training run.

    DeepSpeed's checkpoints are sharded, and fit only the same number of processes.
    """
    settings = recipe.model_dump(mode="json", include={"seed", "method", "schedule", "precision"})
    model = recipe.model.model_dump(mode="json", include={"path", "revision", "tokenizer"})
    parallel = recipe.parallelism
    settings |= {"model": model, "batch": recipe.sequences_per_step, "zero": parallel.zero}
    settings["base"] = identity(Path(nano.resolve(recipe.model.path, "base")))
    if parallel.zero or parallel.fsdp:
        settings |= {"processes": processes(), "decay": "matrices"}  # which earlier versions did not record under ZeRO
    if parallel.fsdp:
        settings["fsdp"] = True
    if parallel.context > 1:
        settings["context"] = parallel.context
    if parallel.grad_accum_dtype:
        settings["grad_accum_dtype"] = parallel.grad_accum_dtype
    if recipe.watch.eval and recipe.checkpoints.best == "eval":
        settings["eval"] = recipe.watch.eval.model_dump(mode="json", exclude={"every"})
    return {**material.fingerprint, "settings": settings}


def _assumed(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of training runs by earlier versions that recorded fewer, or without evaluation."""
    defaults = {"method": Method(), "schedule": Schedule(), "precision": Precision()}
    sections = {name: section.model_dump(mode="json") for name, section in defaults.items()}
    sections["method"]["lora"] = Lora().model_dump(mode="json")
    return {"settings": {**sections, "eval": settings.get("eval")}}


def _agreed(found: Found) -> Found:
    """The checkpoint that the first process found: on shared storage the others may see it later, on separate disks
    never.

    Raises InputError if a process does not see it.
    """
    [first] = broadcast_object_list([found])
    if first.path is not None and not first.path.is_dir():
        raise InputError(
            f"{first.path}: the first process resumes from this checkpoint, and process {os.environ.get('RANK')} does "
            "not see it: output_dir must be on a file system that all machines share"
        )
    agreed: Found = first
    return agreed


def _go_on(recipe: TrainRecipe, material: Material, found: Found, first: bool, tell: Say) -> str | None:
    """Report where it resumes, and refuse differences; returns the part of the data that a longer run skips."""
    for fault in found.passed_over:
        tell(f"note: {fault}; {'using an older one' if found.path else 'no older one is complete: starting over'}")
    if found.path:
        tell(f"resuming from step {found.step:,} ({found.path.name})")
    if not first:
        return None
    refuse_shorter(found, recipe, material.count)
    now = _began_with(recipe, material)
    assumed = _assumed(now["settings"])
    before = began_with(recipe.directory, now, goes_on=found.path is not None, assumed=assumed, free=_FREE)
    if material.dropped and material.dropped.exists():
        with storing(recipe.directory / DROPPED):
            shutil.copyfile(material.dropped, recipe.directory / DROPPED)
    write_json(recipe.directory / "recipe.json", manifest(recipe.model_dump(mode="json"), {}, {}))
    return missed(before, recipe, material.count, found.step)
