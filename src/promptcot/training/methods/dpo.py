"""Direct preference optimization: connects tokenized pairs, reference log-probabilities and the trainer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import DPOConfig

from promptcot import nano
from promptcot.storage.atomic import write_whole
from promptcot.storage.json import dumps
from promptcot.storage.sources import cache_folder
from promptcot.training.arguments import dpo_arguments, lora_config
from promptcot.training.checkpoints import identity
from promptcot.training.data.collating import dataset_of
from promptcot.training.data.packing import order
from promptcot.training.data.pairs import Pairs, open_pairs
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.dpo_trainer import DpoTrainer, PairCollator
from promptcot.training.forecast.devices import peak_flops
from promptcot.training.kernels import Kernels
from promptcot.training.method_recipe import Dpo
from promptcot.training.methods.protocol import Say
from promptcot.training.model import compare, flops_per_token, load_model
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.watching import Scale, Watcher


@dataclass(frozen=True)
class Preferences:
    """The pairs of a training run; `validation` is None if none are held out."""

    tokenizer: PreTrainedTokenizerBase
    train: Pairs
    validation: Pairs | None

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The hashes of the data."""
        return {"data": self.train.fingerprint, "validation": self.validation and self.validation.fingerprint}

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return len(self.train)

    @property
    def prompts(self) -> Iterator[tuple[str, str]]:
        """The prompt of each pair, as text, after its id."""
        for place in range(len(self.train)):
            ids = self.train.ids(place)["prompt_ids"]
            yield self.train.id(place), self.tokenizer.decode(ids, skip_special_tokens=True)

    @cached_property
    def dropped(self) -> Path:
        """The dropped pairs, one per line, whichever side was the reason."""
        path = self.train.folder / "dropped-pairs.jsonl"
        if not path.exists():
            lines = (dumps({"id": name, "reason": reason}) for name, reason in self.train.dropped.items())
            write_whole(path, b"".join(lines))
        return path

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts for the card."""
        validation = self.validation and self.validation.counts
        return {"data": self.train.fingerprint, "counts": self.train.counts, "validation": validation}


class DpoMethod:
    """The method."""

    def arguments(self, recipe: TrainRecipe, kernels: Kernels) -> DPOConfig:
        """The arguments of the trainer."""
        return dpo_arguments(recipe, recipe.method.dpo or Dpo(), kernels)

    def material(self, recipe: TrainRecipe, tell: Say) -> Preferences:
        """The tokens of the pairs. Raises InputError if none is left."""
        tokenizer = load_tokenizer(recipe)
        train = open_pairs(recipe, tokenizer)
        validation = open_pairs(recipe, tokenizer, "validation") if recipe.data.validation else None
        for line in train.lines:
            tell(f"data: {line}")
        return Preferences(tokenizer, train, validation)

    def trainer(
        self, recipe: TrainRecipe, kernels: Kernels, args: DPOConfig, material: Preferences, tell: Say
    ) -> DpoTrainer:
        """A trainer of the pairs in their order. Raises InputError for a model that cannot be loaded."""
        model = load_model(recipe, kernels)
        train, validation, tokenizer = material.train, material.validation, material.tokenizer
        compare(model, tokenizer, int(train.lengths.max()), tell)
        steps = recipe.schedule.max_steps
        chosen = order(len(train), recipe.schedule.epochs, recipe.seed, steps and steps * recipe.sequences_per_step)
        scale = Scale(flops_per_token(model, train.lengths), peak_flops(kernels.device), len(chosen) / len(train))
        watcher = Watcher(recipe, tokenizer, (validation or train).chosen, scale, tell)
        kept = {"train": _cache_file(recipe, kernels, train), "eval": _cache_file(recipe, kernels, validation or train)}
        known = kept["train"].exists()
        tell(
            f"reference: log-probabilities of {len(train):,} pairs "
            f"{'are taken from the cache' if known else 'are computed'}"
        )
        trainer = DpoTrainer(
            model=model,
            args=args,
            kept=kept,
            say=tell,
            meter=watcher.meter,
            keep=recipe.checkpoints.keep,
            data_collator=PairCollator(train, tokenizer.pad_token_id),
            eval_collator=None if validation is None else PairCollator(validation, tokenizer.pad_token_id),
            train_dataset=_numbers(len(train)).select(chosen),
            eval_dataset=None if validation is None else _numbers(len(validation)),
            processing_class=tokenizer,
            peft_config=lora_config(recipe.method.lora),
            callbacks=[watcher],
        )
        trainer.remove_callback(PrinterCallback)  # the watcher reports it better
        return trainer


def _numbers(count: int) -> Any:
    return dataset_of(list(np.arange(count)[:, None]))


def _cache_file(recipe: TrainRecipe, kernels: Kernels, pairs: Pairs) -> Path:
    """The cache file of the reference's log-probabilities, which depend only on pairs, model and number types."""
    base = Path(nano.resolve(recipe.model.path, "base"))
    model = {"path": recipe.model.path, "revision": recipe.model.revision, "base": identity(base)}
    numbers = [recipe.precision.dtype, recipe.parallelism.zero > 0, recipe.method.lora is not None, kernels.attention]
    told = json.dumps([pairs.fingerprint, pairs.which, model, numbers], sort_keys=True)
    return cache_folder() / "reference" / f"{hashlib.blake2b(told.encode(), digest_size=16).hexdigest()}.npy"


METHOD = DpoMethod()
