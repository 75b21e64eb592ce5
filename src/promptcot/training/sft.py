"""One training from recipe to model folder: data, model, trainer, and where to go on after an interruption.

Only the wiring: what each part decides stands in its module. Every process of a training runs this.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.utils import broadcast_object_list
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import SFTConfig

from promptcot import nano
from promptcot.errors import InputError
from promptcot.storage.atomic import locked, write_json
from promptcot.storage.manifest import manifest
from promptcot.training.arguments import arguments, lora_config, processes
from promptcot.training.checkpoints import Found, began_with, identity, latest
from promptcot.training.data import attention
from promptcot.training.data.collating import Collator, dataset_of
from promptcot.training.data.packing import order, pack
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import TokenStore, open_store
from promptcot.training.files import DROPPED
from promptcot.training.forecast.architecture import Shape, mean_context
from promptcot.training.forecast.devices import peak_flops
from promptcot.training.kernels import Kernels, choose
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.watching import Scale, Watcher
from promptcot.training.saving import save
from promptcot.training.stopping import Stopper
from promptcot.training.trainer import Trainer

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Material:
    """The rows of a training and which of them share a sequence; `validation` is None where nothing is held out."""

    tokenizer: PreTrainedTokenizerBase
    train: TokenStore
    packs: list[NDArray[np.int32]]
    validation: TokenStore | None

    def began_with(self, recipe: TrainRecipe) -> dict[str, Any]:
        """What must not change between two starts of one training.

        DeepSpeed's checkpoints are divided among processes, and fit only as many.
        """
        settings = recipe.model_dump(mode="json", include={"seed", "method", "schedule", "precision"})
        model = recipe.model.model_dump(mode="json", include={"path", "revision", "tokenizer"})
        settings |= {"model": model, "batch": recipe.sequences_per_step, "zero": recipe.parallelism.zero}
        settings["base"] = identity(Path(nano.resolve(recipe.model.path, "base")))
        if recipe.parallelism.zero:
            settings["processes"] = processes()
        validation = self.validation and self.validation.fingerprint
        return {"data": self.train.fingerprint, "validation": validation, "settings": settings}


def train(recipe: TrainRecipe, say: Say) -> Path:
    """Train, or go on with a training, and return the folder of the model.

    Raises InputError where the data or the settings are no longer those of the checkpoints, Diverged, and
    KeyboardInterrupt where it was asked to stop and has written a checkpoint.
    """
    _hush()
    kernels = choose(recipe)
    attention.register()
    args = arguments(recipe, kernels, validates=bool(recipe.data.validation))
    first = args.process_index == 0
    tell = say if first else _silent
    with ExitStack() as held:
        if first:
            held.enter_context(locked(recipe.directory / "lock"))
        tell(f"{recipe.name}: {processes()} process{'es' * (processes() > 1)}; {kernels}")
        with args.main_process_first(desc="tokenise"):
            material = _material(recipe, tell)
        found = _agreed(latest(recipe.directory))
        _go_on(recipe, material, found, first, tell)
        trainer = _trainer(recipe, kernels, args, material, tell)
        stopper = Stopper(tell)
        trainer.add_callback(stopper)
        trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        if stopper.stopped:
            raise KeyboardInterrupt
        folder = save(trainer, material.tokenizer, recipe, recipe.directory, _facts(kernels, material))
        tell(f"model: {folder}")
        return folder


def _silent(text: str) -> None:
    pass


def _hush() -> None:
    """The libraries' own chatter: what matters of it is told by the watcher, or raised."""
    transformers_logging.disable_progress_bar()
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")


def _material(recipe: TrainRecipe, tell: Say) -> _Material:
    tokenizer = load_tokenizer(recipe)
    store = open_store(recipe, tokenizer)
    validation = open_store(recipe, tokenizer, which="validation") if recipe.data.validation else None
    rows = np.arange(len(store), dtype=np.int32)
    window = recipe.schedule.max_length
    packs = pack(store.lengths, window) if recipe.method.packing else list(rows[:, None])
    for line in store.counts.read_as:
        tell(f"data: {line}")
    tell(f"data: {store.counts}")
    if recipe.method.packing:
        full = float(store.lengths.sum()) / (len(packs) * window)
        tell(f"packing: {len(store):,} rows in {len(packs):,} sequences of {window:,}, {full:.1%} full")
    return _Material(tokenizer, store, packs, validation)


def _load_model(recipe: TrainRecipe, kernels: Kernels) -> PreTrainedModel:
    """The base model. Weights that learn without DeepSpeed are float32, and bfloat16 is what they compute in."""
    frozen = recipe.method.lora is not None
    half = (recipe.parallelism.zero or frozen) and recipe.precision.dtype == "bfloat16"
    if recipe.parallelism.zero == 3:
        _tell_deepspeed()
    try:
        return AutoModelForCausalLM.from_pretrained(
            nano.resolve(recipe.model.path, "base"),
            revision=recipe.model.revision,
            dtype="bfloat16" if half else "float32",
            attn_implementation=kernels.attention,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{recipe.model.path}: no model can be loaded: {error}") from error


def _tell_deepspeed() -> None:
    """Let DeepSpeed know the processes: on a CPU accelerate does not, and each would load all weights as its part."""
    import deepspeed

    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)


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


def _go_on(recipe: TrainRecipe, material: _Material, found: Found, first: bool, tell: Say) -> None:
    for fault in found.passed_over:
        tell(f"note: {fault}; {'an older one is taken' if found.path else 'no older one is whole: it begins anew'}")
    if found.path:
        tell(f"going on from step {found.step:,} ({found.path.name})")
    if first:
        began_with(recipe.directory, material.began_with(recipe), goes_on=found.path is not None)
        if material.train.dropped.exists():
            shutil.copyfile(material.train.dropped, recipe.directory / DROPPED)
        write_json(recipe.directory / "recipe.json", manifest(recipe.model_dump(mode="json"), {}, {}))


def _trainer(recipe: TrainRecipe, kernels: Kernels, args: SFTConfig, material: _Material, tell: Say) -> Trainer:
    model = _load_model(recipe, kernels)
    _compare(model, material, tell)
    steps, packs, validation = recipe.schedule.max_steps, material.packs, material.validation
    chosen = order(len(packs), recipe.schedule.epochs, recipe.seed, steps and steps * recipe.sequences_per_step)
    scale = Scale(_flops_per_token(model, material.train), peak_flops(kernels.device), len(chosen) / len(packs))
    watcher = Watcher(recipe, material.tokenizer, validation or material.train, scale, tell)

    def collator_of(store: TokenStore) -> Collator:
        return Collator(store, material.tokenizer.pad_token_id, recipe.method.packing)

    trainer = Trainer(
        model=model,
        args=args,
        store=material.train,
        meter=watcher.meter,
        keep=recipe.checkpoints.keep,
        data_collator=collator_of(material.train),
        eval_collator=None if validation is None else collator_of(validation),
        train_dataset=dataset_of(packs).select(chosen),
        eval_dataset=None if validation is None else dataset_of(list(np.arange(len(validation))[:, None])),
        processing_class=material.tokenizer,
        peft_config=lora_config(recipe.method.lora),
        callbacks=[watcher],
    )
    trainer.remove_callback(PrinterCallback)  # the watcher says it better
    return trainer


def _compare(model: PreTrainedModel, material: _Material, tell: Say) -> None:
    """Whether model and tokens fit each other. Raises InputError for a tokenizer that knows more tokens."""
    rows, ids = model.get_input_embeddings().num_embeddings, max(material.tokenizer.get_vocab().values())
    if ids >= rows:
        raise InputError(
            f"the tokenizer has ids up to {ids:,}, and the model only {rows:,} embeddings: they do not belong "
            "together; set model.tokenizer to the model's own"
        )
    longest, room = int(material.train.lengths.max()), getattr(model.config, "max_position_embeddings", None)
    if room and longest > room:
        tell(f"note: rows of up to {longest:,} tokens, and the model's config.json speaks of {room:,} positions")


def _flops_per_token(model: PreTrainedModel, store: TokenStore) -> float | None:
    """None for a kind of model whose operations cannot be counted; it is trained all the same."""
    try:
        shape = Shape.of_config(model.config.to_dict())
    except InputError:
        return None
    return shape.flops_per_token(mean_context(store.lengths.tolist()))


def _facts(kernels: Kernels, material: _Material) -> dict[str, Any]:
    return {
        "data": material.train.fingerprint,
        "counts": material.train.counts,
        "validation": material.validation and material.validation.counts,
        "kernels": str(kernels),
    }
