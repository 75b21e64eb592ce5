"""Group-relative policy optimization: connects prompts with known answers, rewards and the trainer."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import GRPOConfig

from promptcot.errors import InputError
from promptcot.training.arguments import grpo_arguments, lora_config
from promptcot.training.data.packing import order
from promptcot.training.data.prompts import Prompts, open_prompts
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.forecast.devices import peak_flops
from promptcot.training.grpo_trainer import GrpoTrainer
from promptcot.training.kernels import Kernels
from promptcot.training.method_recipe import Grpo
from promptcot.training.methods.protocol import Say
from promptcot.training.model import compare, flops_per_token, load_model
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.learning import LearningWatcher
from promptcot.training.report.watching import Scale, Watcher
from promptcot.training.rewarding import reward_of


@dataclass(frozen=True)
class Questions:
    """The prompts of a training run."""

    tokenizer: PreTrainedTokenizerBase
    asked: Prompts

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The hashes of the data."""
        return {"data": self.asked.fingerprint}

    @property
    def count(self) -> int:
        """None: TRL's trainer goes through the prompts by whole batches."""
        return 0

    @property
    def prompts(self) -> Iterator[tuple[str, str]]:
        """The prompt of each row, as text, after its id."""
        return ((str(row["id"]), str(row["prompt"])) for row in self.asked.rows)

    @property
    def dropped(self) -> Path:
        """The rows that were left out."""
        return self.asked.dropped

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts for the card."""
        return {"data": self.asked.fingerprint["data"], "counts": self.asked.counts}


class GrpoMethod:
    """The method."""

    def arguments(self, recipe: TrainRecipe, kernels: Kernels) -> GRPOConfig:
        """The arguments of the trainer."""
        grpo = _grpo(recipe)
        return grpo_arguments(recipe, grpo, kernels, vllm_mode(grpo))

    def material(self, recipe: TrainRecipe, tell: Say) -> Questions:
        """The prompts. Raises InputError if none is left, or fewer than a step needs."""
        grpo, tokenizer = _grpo(recipe), load_tokenizer(recipe)
        prompts = open_prompts(recipe, grpo, tokenizer)
        for line in prompts.lines:
            tell(f"data: {line}")
        return Questions(tokenizer, prompts)

    def trainer(
        self, recipe: TrainRecipe, kernels: Kernels, args: GRPOConfig, material: Questions, tell: Say
    ) -> GrpoTrainer:
        """A trainer of the prompts in their order. Raises InputError for a model that cannot be loaded."""
        grpo, prompts, tokenizer = _grpo(recipe), material.asked, material.tokenizer
        model = load_model(recipe, kernels)
        longest = int(prompts.lengths.max()) + grpo.max_completion_length
        compare(model, tokenizer, longest, tell)
        chosen = order(len(prompts), recipe.schedule.epochs, recipe.seed, _wanted(recipe, grpo))
        if len(chosen) < (batch := recipe.sequences_per_step * grpo.updates // grpo.generations):
            raise InputError(
                f"{batch:,} prompts are answered at a time, but {recipe.schedule.epochs:g} epochs of {len(prompts):,} "
                f"prompts contain only {len(chosen):,}: raise schedule.epochs, or set schedule.max_steps"
            )
        tell(_drawn_by(vllm_mode(grpo)))
        scale = Scale(flops_per_token(model, prompts.lengths), peak_flops(kernels.device), len(chosen) / len(prompts))
        watcher = Watcher(recipe, tokenizer, prompts, scale, tell)
        rows = [{"prompt": prompts.rows[number]["prompt"], "row": int(number)} for number in chosen]
        trainer = GrpoTrainer(
            model=model,
            args=args,
            prompts=prompts,
            reward_funcs=reward_of(grpo, prompts),
            meter=watcher.meter,
            keep=recipe.checkpoints.keep,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=lora_config(recipe.method.lora),
            callbacks=[watcher, LearningWatcher(recipe, tell)],
        )
        trainer.remove_callback(PrinterCallback)  # the watcher reports it better
        return trainer


def vllm_mode(grpo: Grpo) -> str | None:
    """How vLLM generates completions on this machine; None if the model in training does."""
    if grpo.vllm == "auto":
        there = torch.cuda.is_available() and importlib.util.find_spec("vllm") is not None
        return "colocate" if there else None
    return None if grpo.vllm == "off" else grpo.vllm


def _grpo(recipe: TrainRecipe) -> Grpo:
    return recipe.method.grpo or Grpo()


def _wanted(recipe: TrainRecipe, grpo: Grpo) -> int | None:
    """The number of prompts that the recipe's steps need, if it bounds them: each batch of prompts serves `updates`."""
    steps = recipe.schedule.max_steps
    batch = recipe.sequences_per_step // grpo.generations * grpo.updates
    return steps and -(-steps // grpo.updates) * batch


def _drawn_by(vllm: str | None) -> str:
    if vllm is None:
        return (
            "completions: sampled from the model in training, so sampling and training use the same distribution; the "
            "log has no sampling/…"
        )
    return f"completions: sampled by vLLM ({vllm}); sampling/… in the log shows how far its probabilities are from ours"


METHOD = GrpoMethod()
