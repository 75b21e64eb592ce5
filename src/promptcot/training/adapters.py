"""Writes LoRA adapters to a folder of their own, which PEFT and vLLM load on top of the base model.

Decides what the folder says about the base model: its name on the Hub and the pinned revision. The path of a local base
model is left out, because it is meaningless on another machine; the card names the model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from promptcot import nano
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.card import on_the_hub

_WEIGHTS = "adapter_model.safetensors"


def write_adapter(model: Any, weights: Mapping[str, torch.Tensor], recipe: TrainRecipe, folder: Path) -> None:
    """Write the adapters among `weights`, which have PEFT's names, in their own number type."""
    found = get_peft_model_state_dict(model, state_dict=dict(weights), save_embedding_layers=False)
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / _WEIGHTS, {"format": "pt"})
    config = copy.deepcopy(model.peft_config["default"])
    named = on_the_hub(recipe.model.path) or nano.is_nano(recipe.model.path)
    config.base_model_name_or_path = recipe.model.path if named else None
    config.revision = recipe.model.revision
    config.inference_mode = True
    if isinstance(config.target_modules, set):
        config.target_modules = sorted(config.target_modules)  # else in another order each time
    config.save_pretrained(folder)
