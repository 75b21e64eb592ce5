"""Writes the finished model as a plain folder that any engine loads: weights, tokenizer, generation config, model card.

Decides what is in `DIRECTORY/model`, and that the folder appears complete or not at all. Weights are safetensors in the
precision of the recipe (bfloat16, or float32), in files of at most 5 GB; adapters are merged into them, or saved in a
folder of their own (`adapters`). The configuration keeps the fields of the base model. `card` writes the card,
`stop_tokens` finds the stop tokens.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule
from transformers.utils import logging

from promptcot.errors import InputError
from promptcot.evaluation.plots import Result
from promptcot.storage.atomic import sync, write_whole
from promptcot.training.adapters import write_adapter
from promptcot.training.data.stop_tokens import end_ids
from promptcot.training.files import ADAPTER, LOG, PLOT, folders_of
from promptcot.training.finished import write_mark
from promptcot.training.quantized import unrounded
from promptcot.training.recipe import TrainRecipe
from promptcot.training.refusals import writing
from promptcot.training.report import card

CARD = "README.md"
_SHARD = "5GB"
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
_PEFT = "base_model.model."

Weights = dict[str, torch.Tensor]


def save(trainer: Any, tokenizer: Any, recipe: TrainRecipe, directory: Path, facts: Mapping[str, Any]) -> Path:
    """Write the trainer's model to `directory/model`, and return that folder.

    Adapters are written to `directory/adapter` if the recipe says so; if only they are saved, that folder is returned.
    Every process must call it; the first one writes. `facts` go into the card: see `card.text`. Raises StorageError,
    and InputError for adapters that cannot be merged.
    """
    weights = _gathered(trainer, divided=recipe.parallelism.divides_weights)
    folders = list(folders_of(recipe))
    if trainer.is_world_process_zero():
        for name in folders:
            _write(directory / name, trainer.model, weights, tokenizer, recipe, facts)
    trainer.accelerator.wait_for_everyone()
    return directory / folders[0]


def _write(
    target: Path, model: Any, weights: Weights, tokenizer: Any, recipe: TrainRecipe, facts: Mapping[str, Any]
) -> None:
    """Write one folder, which appears complete."""
    partial, directory = target.with_name(target.name + ".part"), target.parent
    alone = target.name == ADAPTER
    with writing(target):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if alone:
            write_adapter(model, weights, recipe, partial)
        else:
            _write_network(model, weights, tokenizer, recipe, partial)
        _write_tokenizer(tokenizer, recipe, partial)
        if (plot := directory / f"{PLOT}.png").exists():
            shutil.copy(plot, partial)
        written = card.text(recipe, facts, directory / LOG, plot=plot.exists(), adapter=alone)
        write_whole(partial / CARD, written.encode())
        write_mark(partial, recipe, target.name)
        _publish(partial, target)


def add_results(model_folder: Path, results: Sequence[Result]) -> None:
    """Put the results of an evaluation into the model's card, replacing earlier ones.

    Raises InputError if the folder has no card of ours, and StorageError.
    """
    path = model_folder / CARD
    if not path.exists():
        raise InputError(f"{path}: no such file; results go into the card of a model that promptcot trained")
    try:
        written = card.with_results(path.read_text(encoding="utf-8"), results)
    except ValueError as error:
        raise InputError(f"{path}: {error}; results go into the card of a model that promptcot trained") from error
    write_whole(path, written.encode())


def merged(weights: Mapping[str, torch.Tensor], scaling: float) -> Weights:
    """The weights of a model with LoRA adapters as those of a plain one: W + scaling · B A, added up in float32.

    `weights` are named as PEFT names them; `scaling` is α / rank (arXiv 2106.09685, section 4.1). Done on the
    weights, and not by PEFT on the model, because under ZeRO-3 no process has the whole model. Raises InputError for
    other adapters.
    """
    plain, left = {}, {name for name in weights if ".lora_" in name}
    for name, base in weights.items():
        if ".lora_" in name:
            continue
        layer = name.removesuffix("base_layer.weight")
        linear = (f"{layer}lora_A.default.weight", f"{layer}lora_B.default.weight")
        table = (f"{layer}lora_embedding_A.default", f"{layer}lora_embedding_B.default")
        value = base
        for down, up in (linear, table):
            if layer != name and down in weights:
                change = scaling * (weights[up].float() @ weights[down].float())
                value = (base.float() + (change if down in linear else change.T)).to(base.dtype)
                left -= {down, up}
        plain[name.removeprefix(_PEFT).replace(".base_layer.", ".")] = value
    if left:
        raise InputError(f"method.lora: these adapters cannot be merged: {', '.join(sorted(left)[:3])}, …")
    return plain


def _gathered(trainer: Any, divided: bool) -> Weights:
    """All weights, by name. If they are sharded, only the first process gets them, but all must take part.

    Otherwise each process has all of them, and nothing is copied before the first one writes.
    """
    if divided:
        found: Weights | None = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        return found or {}
    return dict(trainer.model.state_dict())


def _write_network(model: Any, weights: Weights, tokenizer: Any, recipe: TrainRecipe, folder: Path) -> None:
    """Weights and configurations, saved through a model without memory: the trained one is full of hooks."""
    if recipe.method.lora is not None:
        model = model.get_base_model()
        if recipe.method.lora.bits is not None:
            weights = unrounded(weights, recipe)
        weights = merged(weights, recipe.method.lora.alpha / recipe.method.lora.rank)
    dtype = _DTYPES[recipe.precision.dtype]
    weights = {name: _stored(tensor, dtype) for name, tensor in weights.items()}
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # only used in training
    config.use_cache = True  # training turns it off
    config._attn_implementation = "eager"
    with torch.device("meta"):  # by its class, because under ZeRO-3 `from_config` would wait for the other processes
        plain = _plain_class(model)(config).to(dtype)
    _untie(plain, weights)
    plain.generation_config = _generation_config(model, tokenizer)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        plain.save_pretrained(folder, state_dict=weights, max_shard_size=_SHARD)
    finally:
        if bars:
            logging.enable_progress_bar()


def _plain_class(model: Any) -> Any:
    """The class of the model before FSDP replaced it."""
    return next(kind for kind in type(model).__mro__ if not issubclass(kind, FSDPModule))


def _stored(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    kept = tensor.detach()
    return kept.to("cpu", dtype if kept.is_floating_point() else kept.dtype).contiguous()


def _untie(plain: Any, weights: Weights) -> None:
    """Weights shared by two layers are stored once; if merging made them different, both are stored, and the config
    says so.
    """
    for name, source in dict(plain.all_tied_weights_keys).items():
        if name not in weights or source not in weights:
            continue
        if torch.equal(weights[name], weights[source]):
            del weights[name]
        else:
            plain.config.tie_word_embeddings = False


def _generation_config(model: Any, tokenizer: Any) -> Any:
    """The base model's, with the end tokens of the training's texts."""
    config = copy.deepcopy(model.generation_config)
    if ends := end_ids(config, tokenizer):
        config.eos_token_id = ends[0] if len(ends) == 1 else ends
    pads = (tokenizer.pad_token_id, config.pad_token_id, *ends)
    config.pad_token_id = next((token for token in pads if token is not None), None)
    # Some bases give a temperature without saying that they sample, and transformers refuses to save that.
    if any(getattr(config, name, None) is not None for name in ("temperature", "top_p", "top_k")):
        config.do_sample = True
    return config


def _write_tokenizer(tokenizer: Any, recipe: TrainRecipe, folder: Path) -> None:
    """With its chat template, and without padding and truncation settings of the training."""
    kept = copy.deepcopy(tokenizer)
    if recipe.model.chat_template:
        kept.chat_template = Path(recipe.model.chat_template).read_text(encoding="utf-8")
    if kept.is_fast:
        kept.backend_tokenizer.no_truncation()
        kept.backend_tokenizer.no_padding()
    kept.save_pretrained(folder)


def _publish(partial: Path, target: Path) -> None:
    """Flush the folder to disk, and replace an older one with it."""
    for path in [*partial.iterdir(), partial]:
        sync(path)
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)
