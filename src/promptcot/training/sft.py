"""One training from recipe to model folder: data, model, trainer, and where to go on after an interruption.

Only the wiring: what each part decides stands in its module. Every process of a training runs this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig

from promptcot.engines.opening import model_folder
from promptcot.errors import InputError
from promptcot.files import locked, write_json
from promptcot.manifest import manifest
from promptcot.training import attention
from promptcot.training.arguments import arguments, lora_config, processes
from promptcot.training.checkpoints import Found, began_with, latest
from promptcot.training.collating import Collator, dataset_of
from promptcot.training.devices import peak_flops
from promptcot.training.estimate import Shape
from promptcot.training.kernels import Kernels, choose
from promptcot.training.packing import order, pack
from promptcot.training.recipe import TrainRecipe
from promptcot.training.saving import save
from promptcot.training.tokens import TokenStore, open_store
from promptcot.training.trainer import Trainer
from promptcot.training.watching import Meter, Watcher

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Material:
    """The rows of a training and which of them share a sequence; `validation` is None where nothing is held out."""

    tokenizer: PreTrainedTokenizerBase
    train: TokenStore
    packs: list[NDArray[np.int32]]
    validation: TokenStore | None

    def began_with(self, recipe: TrainRecipe) -> dict[str, Any]:
        """What must not change between two starts of one training."""
        settings = recipe.model_dump(mode="json", include={"seed", "method", "schedule"})
        return {"data": self.train.fingerprint, "settings": {**settings, "batch": recipe.sequences_per_step}}


def train(recipe: TrainRecipe, say: Say) -> Path:
    """Train, or go on with a training, and return the folder of the model.

    Raises InputError where the data or the settings are no longer those of the checkpoints, and Diverged.
    """
    kernels = choose(recipe)
    attention.register()
    args = arguments(recipe, kernels, validates=bool(recipe.data.validation))
    first = args.process_index == 0
    tell = say if first else _silent
    with ExitStack() as held:
        if first:
            held.enter_context(locked(recipe.directory / "lock"))
        tell(f"{recipe.name}: {processes()} processes; {kernels}")
        with args.main_process_first(desc="tokenise"):
            material = _material(recipe, tell)
        found = latest(recipe.directory)
        _go_on(recipe, material, found, first, tell)
        trainer = _trainer(recipe, kernels, args, material, tell)
        began = time.monotonic()
        trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        facts = {**_facts(recipe, material, trainer), "seconds": round(time.monotonic() - began)}
        return save(trainer, material.tokenizer, recipe, recipe.directory, facts)


def _silent(text: str) -> None:
    pass


def _material(recipe: TrainRecipe, tell: Say) -> _Material:
    tokenizer = load_tokenizer(recipe)
    store = open_store(recipe, tokenizer)
    validation = open_store(recipe, tokenizer, which="validation") if recipe.data.validation else None
    rows = np.arange(len(store), dtype=np.int32)
    window = recipe.schedule.max_length
    packs = pack(store.lengths, window) if recipe.method.packing else list(rows[:, None])
    tell(f"data: {store.counts}")
    if recipe.method.packing:
        full = float(store.lengths.sum()) / (len(packs) * window)
        tell(f"packing: {len(store):,} rows in {len(packs):,} sequences of {window:,}, {full:.1%} full")
    return _Material(tokenizer, store, packs, validation)


def load_tokenizer(recipe: TrainRecipe) -> PreTrainedTokenizerBase:
    """The tokenizer of the model, or the one that is named, with the recipe's chat template. Raises InputError."""
    name = recipe.model.tokenizer or model_folder(recipe.model.path, "base")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=recipe.model.revision)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: no tokenizer can be loaded: {error}") from error
    if recipe.model.chat_template:
        tokenizer.chat_template = Path(recipe.model.chat_template).read_text(encoding="utf-8")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _load_model(recipe: TrainRecipe, kernels: Kernels) -> PreTrainedModel:
    """The base model. Without DeepSpeed its weights are float32, and bfloat16 is what it computes in."""
    half = recipe.parallelism.zero and recipe.precision.dtype == "bfloat16"
    try:
        return AutoModelForCausalLM.from_pretrained(
            model_folder(recipe.model.path, "base"),
            revision=recipe.model.revision,
            dtype="bfloat16" if half else "float32",
            attn_implementation=kernels.attention,
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{recipe.model.path}: no model can be loaded: {error}") from error


def _go_on(recipe: TrainRecipe, material: _Material, found: Found, first: bool, tell: Say) -> None:
    for fault in found.passed_over:
        tell(f"note: {fault}; the one before it is taken")
    if found.path:
        tell(f"going on from step {found.step:,} ({found.path.name})")
    if first:
        began_with(recipe.directory, material.began_with(recipe), goes_on=found.path is not None)
        write_json(recipe.directory / "recipe.json", manifest(recipe.model_dump(mode="json"), {}, {}))


def _trainer(recipe: TrainRecipe, kernels: Kernels, args: SFTConfig, material: _Material, tell: Say) -> Trainer:
    model = _load_model(recipe, kernels)
    shape = Shape.of_config(model.config.to_dict())
    meter = Meter()
    watcher = Watcher(
        recipe.directory,
        recipe,
        material.tokenizer,
        material.validation or material.train,
        flops_per_token=shape.flops_per_token(
            float(np.average(material.train.lengths, weights=material.train.lengths))
        ),
        peak=peak_flops(kernels.device),
        meter=meter,
        say=tell,
    )
    steps = recipe.schedule.max_steps
    chosen = order(
        len(material.packs), recipe.schedule.epochs, recipe.seed, steps and steps * recipe.sequences_per_step
    )
    validation = material.validation
    collator = Collator(material.train, material.tokenizer.pad_token_id, recipe.method.packing)
    return Trainer(
        model=model,
        args=args,
        store=material.train,
        meter=meter,
        data_collator=collator,
        train_dataset=dataset_of(material.packs).select(chosen),
        eval_dataset=None if validation is None else dataset_of(list(np.arange(len(validation))[:, None])),
        processing_class=material.tokenizer,
        peft_config=lora_config(recipe.method.lora),
        callbacks=[watcher],
    )


def _facts(recipe: TrainRecipe, material: _Material, trainer: Trainer) -> dict[str, Any]:
    return {"data": material.train.fingerprint, "counts": material.train.counts, "steps": trainer.state.global_step}
