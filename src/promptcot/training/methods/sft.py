"""Supervised fine-tuning: rows of prompt and completion to packs of tokens, and the trainer that learns them.

Only the wiring: what each part decides stands in its module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig

from promptcot.training.arguments import arguments, lora_config
from promptcot.training.data.collating import Collator, dataset_of
from promptcot.training.data.packing import order, pack
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import TokenStore, open_store
from promptcot.training.forecast.devices import peak_flops
from promptcot.training.kernels import Kernels
from promptcot.training.methods.protocol import Say
from promptcot.training.model import compare, flops_per_token, load_model
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.watching import Scale, Watcher
from promptcot.training.trainer import Trainer


@dataclass(frozen=True)
class Rows:
    """The rows of a training and which of them share a sequence; `validation` is None where nothing is held out."""

    tokenizer: PreTrainedTokenizerBase
    train: TokenStore
    packs: list[NDArray[np.int32]]
    validation: TokenStore | None

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What was learnt from, as hashes."""
        return {"data": self.train.fingerprint, "validation": self.validation and self.validation.fingerprint}

    @property
    def dropped(self) -> Path:
        """The rows that were left out."""
        return self.train.dropped

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the card says of them."""
        validation = self.validation and self.validation.counts
        return {"data": self.train.fingerprint, "counts": self.train.counts, "validation": validation}


class Sft:
    """The method."""

    def arguments(self, recipe: TrainRecipe, kernels: Kernels) -> SFTConfig:
        """The arguments of the trainer."""
        return arguments(recipe, kernels, validates=bool(recipe.data.validation))

    def material(self, recipe: TrainRecipe, tell: Say) -> Rows:
        """The tokens of the rows, packed. Raises InputError where none is left."""
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
        return Rows(tokenizer, store, packs, validation)

    def trainer(self, recipe: TrainRecipe, kernels: Kernels, args: SFTConfig, material: Rows, tell: Say) -> Trainer:
        """A trainer of the packs in their order. Raises InputError for a model that cannot be loaded."""
        model = load_model(recipe, kernels)
        compare(model, material.tokenizer, int(material.train.lengths.max()), tell)
        steps, packs, validation = recipe.schedule.max_steps, material.packs, material.validation
        chosen = order(len(packs), recipe.schedule.epochs, recipe.seed, steps and steps * recipe.sequences_per_step)
        scale = Scale(
            flops_per_token(model, material.train.lengths), peak_flops(kernels.device), len(chosen) / len(packs)
        )
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


METHOD = Sft()
