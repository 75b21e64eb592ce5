"""4-bit weights under adapters (QLoRA, T. Dettmers et al., arXiv 2305.14314), by bitsandbytes.

Decides how they are stored (NF4 with double quantization, as in section 3 of that paper). Adapters are merged into the
original weights of the base model, which are reloaded in full precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from promptcot import nano
from promptcot.training.recipe import TrainRecipe

_PEFT = "base_model.model."
_ADAPTER = ".lora_"


def quantization(recipe: TrainRecipe) -> BitsAndBytesConfig | None:
    """How the base model is quantized; None if it is not."""
    if recipe.method.lora is None or recipe.method.lora.bits is None:
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=recipe.precision.dtype,
    )


def unrounded(weights: Mapping[str, torch.Tensor], recipe: TrainRecipe) -> dict[str, torch.Tensor]:
    """The adapters of `weights` with the base model's original weights, under PEFT's names."""
    adapters = {name: tensor for name, tensor in weights.items() if _ADAPTER in name}
    layers = {name.partition(_ADAPTER)[0] for name in adapters}
    base: Any = AutoModelForCausalLM.from_pretrained(
        nano.resolve(recipe.model.path, "base"),
        revision=recipe.model.revision,
        dtype=recipe.precision.dtype,
        use_safetensors=True,
        trust_remote_code=False,
    )
    named = {_named(_PEFT + name, layers): tensor for name, tensor in base.state_dict().items()}
    return {**named, **adapters}


def _named(name: str, layers: set[str]) -> str:
    layer, _, kind = name.rpartition(".")
    return f"{layer}.base_layer.{kind}" if layer in layers else name
