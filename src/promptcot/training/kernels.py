"""Detects the kernels on this machine, decides which ones a training run uses, and describes them in one line.

Nothing is downloaded: a kernel is used when its package is installed. The loss of fine-tuning needs no choice: TRL
computes it in chunks of tokens, so the matrix of logits is never complete in memory.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import torch

from promptcot.training.data.attention import VARLEN
from promptcot.training.recipe import TrainRecipe


@dataclass(frozen=True, slots=True)
class Kernels:
    """The name of the attention for transformers, and whether Liger's kernels replace norms, rotations and MLPs.

    `chunked`: the loss is computed in chunks of tokens.
    """

    attention: str
    liger: bool
    device: str
    chunked: bool = True

    def __str__(self) -> str:
        attention = "torch's fused attention, one sequence at a time" if self.attention == VARLEN else self.attention
        liger = "Liger kernels" if self.liger else "no Liger kernels"
        return f"{self.device}; attention: {attention}; {liger}{'; loss in chunks of tokens' * self.chunked}"


def choose(recipe: TrainRecipe) -> Kernels:
    """The kernels for this recipe on this machine."""
    on_gpu = torch.cuda.is_available()
    return Kernels(
        attention=_attention(recipe, on_gpu),
        liger=recipe.method.liger and on_gpu and _installed("liger_kernel"),
        device=torch.cuda.get_device_name() if on_gpu else "CPU",
        chunked=recipe.method.kind == "sft",
    )


def _attention(recipe: TrainRecipe, on_gpu: bool) -> str:
    if recipe.model.attention != "auto":
        return recipe.model.attention
    if on_gpu and recipe.precision.dtype == "bfloat16" and _installed("flash_attn"):
        return "flash_attention_2"
    return VARLEN if recipe.method.packing else "sdpa"


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
