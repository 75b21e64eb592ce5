"""Supervised fine-tuning: connects rows of prompt and completion, packed tokens and the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig

from promptcot.core.units import counted
from promptcot.training.arguments import arguments, lora_config
from promptcot.training.context import ContextCollator, check_heads
from promptcot.training.data.collating import Collator, StepCollator, dataset_of
from promptcot.training.data.packing import order, pack
from promptcot.training.data.steps import steps
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import open_store
from promptcot.training.forecast.devices import peak_flops
from promptcot.training.kernels import Kernels
from promptcot.training.methods.protocol import Say
from promptcot.training.model import compare, flops_per_token, load_model
from promptcot.training.published import rate_note
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.watching import Scale, Watcher
from promptcot.training.steps import StepTrainer
from promptcot.training.trainer import Trainer


@dataclass(frozen=True)
class Rows:
    """The rows of a training run and their packs; `validation` is None if nothing is held out.

    There are no packs if a step is counted in rows: these are then packed step by step.
    """

    tokenizer: PreTrainedTokenizerBase
    train: TokenStore
    packs: list[NDArray[np.int32]]
    validation: TokenStore | None

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The hashes of the data."""
        return {"data": self.train.fingerprint, "validation": self.validation and self.validation.fingerprint}

    @property
    def count(self) -> int:
        """How many packs there are, or rows."""
        return len(self.packs or self.train)

    @property
    def prompts(self) -> Iterator[tuple[str, str]]:
        """The prompt of each row, as text, after its id."""
        for place in range(len(self.train)):
            ids, length = self.train.row(place)
            yield self.train.id(place), self.tokenizer.decode(ids[:length], skip_special_tokens=True)

    @property
    def dropped(self) -> Path:
        """The rows that were left out."""
        return self.train.dropped

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts for the card."""
        validation = self.validation and self.validation.counts
        return {"data": self.train.fingerprint, "counts": self.train.counts, "validation": validation}


class Sft:
    """The method."""

    def arguments(self, recipe: TrainRecipe, kernels: Kernels) -> SFTConfig:
        """The arguments of the trainer."""
        return arguments(recipe, kernels, validates=bool(recipe.data.validation))

    def material(self, recipe: TrainRecipe, tell: Say) -> Rows:
        """The tokens of the rows, packed. Raises InputError if none is left."""
        tokenizer = load_tokenizer(recipe)
        store = open_store(recipe, tokenizer)
        validation = open_store(recipe, tokenizer, which="validation") if recipe.data.validation else None
        for line in store.counts.lines:
            tell(f"data: {line}")
        if validation is not None and (shared := int(np.isin(validation.asked, store.asked).sum())):
            tell(
                f"note: {shared:,} of {len(validation):,} rows of validation have a prompt that is also in the "
                "training rows, so their loss is too low"
            )
        return Rows(tokenizer, store, _packs(recipe, store, tell), validation)

    def trainer(self, recipe: TrainRecipe, kernels: Kernels, args: SFTConfig, material: Rows, tell: Say) -> Trainer:
        """A trainer of the packs in their order. Raises InputError for a model that cannot be loaded."""
        model = load_model(recipe, kernels)
        compare(model, material.tokenizer, int(material.train.lengths.max()), tell)
        validation = material.validation
        examples, epochs = _examples(recipe, material, args.world_size)
        scale = Scale(flops_per_token(model, material.train.lengths), peak_flops(kernels.device), epochs)
        watcher = Watcher(recipe, material.tokenizer, validation or material.train, scale, tell)

        def collator_of(store: TokenStore) -> Collator:
            return Collator(store, material.tokenizer.pad_token_id, recipe.method.packing)

        context = recipe.parallelism.context
        by_rows = recipe.schedule.step_by == "rows"
        collator: Callable[..., dict[str, Any]] = collator_of(material.train)
        place = args.process_index // context, args.world_size // context
        if by_rows:
            collator = StepCollator(collator_of(material.train), material.train.lengths, recipe, place)
        if context > 1:
            check_heads(model.config, context)
            collator = ContextCollator(collator, args.process_index % context, context, material.tokenizer.pad_token_id)
        trainer = (StepTrainer if by_rows else Trainer)(
            model=model,
            args=args,
            store=material.train,
            meter=watcher.meter,
            keep=recipe.checkpoints.keep,
            context=context,
            data_collator=collator,
            eval_collator=None if validation is None else collator_of(validation),
            train_dataset=examples,
            eval_dataset=None if validation is None else dataset_of(list(np.arange(len(validation))[:, None])),
            processing_class=material.tokenizer,
            peft_config=lora_config(recipe.method.lora),
            callbacks=[watcher],
        )
        trainer.remove_callback(PrinterCallback)  # the watcher reports it better
        return trainer


def _packs(recipe: TrainRecipe, store: TokenStore, tell: Say) -> list[NDArray[np.int32]]:
    """The packs of the whole training run, and a message about them."""
    window, per_step, packing = recipe.schedule.max_length, recipe.sequences_per_step, recipe.method.packing
    packs = list(np.arange(len(store), dtype=np.int32)[:, None])
    if recipe.schedule.step_by == "rows":
        how = f"packed into micro-batches of at most {recipe.schedule.micro_batch * window:,} tokens"
        tell(f"steps: {counted(per_step, 'row')} each, {how if packing else 'padded'}")
        packs = []
    elif packing:
        packs = pack(store.lengths, window)
        full = float(store.lengths.sum()) / (len(packs) * window)
        tell(
            f"packing: {counted(len(store), 'row')} in {counted(len(packs), 'sequence')} of {window:,}, {full:.1%} full"
        )
    if note := rate_note(recipe, recipe.rows_per_step or per_step * len(store) / len(packs)):
        tell(f"note: {note}")
    return packs


def _examples(recipe: TrainRecipe, material: Rows, processes: int) -> tuple[Any, float]:
    """The examples of the trainer in order, and the number of epochs that they cover.

    If a step is counted in rows, an example is a step, repeated for each process. Otherwise it is a pack, repeated for
    each process that computes a part of it.
    """
    schedule, per_step, count = recipe.schedule, recipe.sequences_per_step, len(material.train)
    if schedule.step_by == "rows":
        chosen = steps(count, schedule.epochs, recipe.seed, per_step, schedule.max_steps)
        repeated = [rows for rows in chosen for _ in range(processes)]
        return dataset_of(repeated), sum(map(len, chosen)) / count
    packs = material.packs
    wanted = schedule.max_steps and schedule.max_steps * per_step
    places = order(len(packs), schedule.epochs, recipe.seed, wanted)
    shared = np.repeat(places, recipe.parallelism.context)  # all processes that share a sequence get it
    return dataset_of(packs).select(shared), len(places) / len(packs)


METHOD = Sft()
