"""Checks a training run before anything is loaded: the files, packages and compilers that its recipe needs.

All problems are reported together. Problems that only the data or the weights reveal are found later, in their own
modules.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from promptcot import nano
from promptcot.engines.machine import visible_gpus
from promptcot.engines.weights import adapter_fault, weights_fault
from promptcot.errors import InputError, PromptCoTError, RecipeError
from promptcot.recipe import import_path
from promptcot.storage.overlap import MODEL, Read, Written, check_paths
from promptcot.storage.paths import expanded, url_of
from promptcot.training.best.evaluation import eval_recipe
from promptcot.training.data.rows import look
from promptcot.training.files import written
from promptcot.training.recipe import TrainRecipe

_PACKAGES = {
    "wandb": "wandb",
    "tensorboard": "tensorboard",
    "flash_attention_2": "flash_attn",
    "flash_attention_3": "flash_attn_interface",
}
"""The package that a value of `watch.report_to` or `model.attention` needs."""


def check_files(recipe: TrainRecipe) -> None:
    """Raises UsageError and similar errors if the training would overwrite its own inputs; checks nothing else."""
    check_paths(*_paths(recipe))


def check(recipe: TrainRecipe) -> None:
    """Raises RecipeError with all problems."""
    if faults := list(_faults(recipe)):
        raise RecipeError(f"training {recipe.name}", faults)


def _faults(recipe: TrainRecipe) -> Iterator[str]:
    model, template = recipe.model, recipe.model.chat_template
    try:
        check_files(recipe)
    except PromptCoTError as error:
        yield str(error)
    if template and not Path(template).is_file():
        yield f"model.chat_template: {template}: no such file"
    if (url := url_of(recipe.directory)) is not None:
        yield f"output_dir: {url}: an address; give it as --output-dir, with a local folder as --journal"
    for name in (*recipe.watch.report_to, model.attention):
        package = _PACKAGES.get(name)
        if package and importlib.util.find_spec(package) is None:
            yield f"{name} needs the package {package}, which is not installed here"
    yield from _data_faults(recipe)
    if recipe.watch.eval:
        try:
            eval_recipe(recipe.watch.eval, chat=False)
        except InputError as error:
            yield f"watch.eval: {error}"
    if (lora := recipe.method.lora) and lora.bits and importlib.util.find_spec("bitsandbytes") is None:
        yield "method.lora.bits needs the package bitsandbytes, which is not installed here; or leave bits out"
    yield from _reward_faults(recipe)
    if _compiles(recipe) and not (shutil.which("c++") or shutil.which("g++")):
        yield (
            "parallelism.offload_optimizer: DeepSpeed compiles its optimizer for the CPU at the first start, and there "
            "is no C++ compiler (c++, g++); install one, or set offload_optimizer = false"
        )
    if (url := url_of(model.path)) is not None:
        yield f"model.path: {url}: an address; a training run starts from a folder on this machine, or from the Hub"
    elif os.path.isdir(folder := expanded(nano.resolve(model.path, "base"))):
        if fault := weights_fault(folder) or adapter_fault(folder):
            yield f"model.path: {': '.join(fault)}"
    elif _on_the_hub(model.path) and model.revision is None:
        yield (
            f"model.path: {model.path} is not a folder, so it is taken as a model of the Hub, which needs "
            "model.revision: the "
            "full commit, 40 hex digits, as its history on the Hub shows it"
        )


def _data_faults(recipe: TrainRecipe) -> Iterator[str]:
    """Problems of files of rows and names of datasets, by recipe key."""
    held_out, sources = recipe.data.validation, recipe.data.sources
    named = [("data.mix" if recipe.data.mix else "data.path", source) for source in sources]
    if isinstance(held_out, str):
        named.append(("data.validation", recipe.data.model_copy(update={"path": [held_out], "mix": []})))
    for key, source in named:
        for path in source.path:
            try:
                look(source.model_copy(update={"path": [path]}))
            except InputError as error:
                another = key == "data.path" and str(error).endswith("no such file")
                yield f"{key}: {error}{'; --data_path names another' * another}"


def _paths(recipe: TrainRecipe) -> tuple[list[Read], list[Written]]:
    """The local paths that a training run reads and writes."""
    held_out = recipe.data.validation
    files = [*recipe.data.paths, *([held_out] if isinstance(held_out, str) else []), recipe.model.chat_template]
    files += _benchmark_files(recipe)
    folders = [nano.resolve(recipe.model.path, "base"), recipe.model.tokenizer]
    reads = [Read(found) for file in files if file and os.path.exists(found := expanded(file))]
    reads += [Read(found, MODEL) for one in folders if one and os.path.isdir(found := expanded(one))]
    return reads, written(recipe.directory)


def _benchmark_files(recipe: TrainRecipe) -> list[str]:
    """The files named in `watch.eval`; their content is checked elsewhere."""
    if recipe.watch.eval is None:
        return []
    try:
        return [recipe.watch.eval.recipe, *eval_recipe(recipe.watch.eval, chat=False).benchmarks]
    except InputError:
        return [recipe.watch.eval.recipe]


def _reward_faults(recipe: TrainRecipe) -> Iterator[str]:
    """Problems of the reward, and of the model or server that generates completions."""
    grpo = recipe.method.grpo
    if grpo is None:
        return
    if grpo.reward.function is not None:
        try:
            if not callable(import_path.load(grpo.reward.function)):
                yield f"method.grpo.reward.function: {grpo.reward.function} is not a function"
        except ValueError as error:
            yield f"method.grpo.reward.function: {error}"
    if grpo.vllm in ("colocate", "server") and importlib.util.find_spec("vllm") is None:
        yield f"method.grpo.vllm = {grpo.vllm!r} needs the package vllm, which is not installed; 'off' does not need it"
    if grpo.vllm == "colocate" and not visible_gpus():
        yield "method.grpo.vllm = 'colocate' needs a GPU; set it to 'off', or to 'server' with vllm_server"


def _compiles(recipe: TrainRecipe) -> bool:
    return recipe.parallelism.offload_optimizer and bool(visible_gpus())


def _on_the_hub(path: str) -> bool:
    return not os.path.exists(expanded(nano.resolve(path, "base")))
