"""Model sharding: translates `[parallelism]` for DeepSpeed, PyTorch's FSDP2, and Accelerate.

Decides which of their settings follow from the recipe; buckets, prefetching and similar settings keep their defaults.
The trainer always creates the optimizer, so weight decay is the same with any sharding (matrices decay, biases and
norms do not): an optimizer that DeepSpeed creates from its configuration has one group, and decays all weights.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import ParallelismConfig, PartialState
from accelerate.utils import DeepSpeedSequenceParallelConfig, DistributedType

from promptcot.training.recipe import TrainRecipe

_FSDP = "ACCELERATE_USE_FSDP"
_DTYPES = {"float32": "fp32", "bfloat16": "bf16"}


def processes() -> int:
    """The number of processes in the training, as set by the launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def deepspeed_config(recipe: TrainRecipe) -> dict[str, Any] | None:
    """DeepSpeed's configuration; `auto` is filled in by the trainer. None without ZeRO."""
    parallel = recipe.parallelism
    if not parallel.zero:
        return None
    on_gpu = torch.cuda.is_available()
    place = {"device": "cpu", "pin_memory": on_gpu}
    zero: dict[str, Any] = {"stage": parallel.zero, "contiguous_gradients": True, "overlap_comm": on_gpu}
    if parallel.zero == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    if parallel.offload_optimizer:
        zero["offload_optimizer"] = place
    if parallel.offload_parameters:
        zero["offload_param"] = place
    kept = {"grad_accum_dtype": _DTYPES[parallel.grad_accum_dtype]} if parallel.grad_accum_dtype else {}
    return {
        "zero_optimization": zero,
        "bf16": {"enabled": recipe.precision.dtype == "bfloat16"},
        "data_types": kept,
        # DeepSpeed's own Adam is compiled at the first start; it is needed on the host of GPUs only
        "zero_force_ds_cpu_optimizer": on_gpu and parallel.offload_optimizer,
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
    }


def fsdp_config(recipe: TrainRecipe) -> dict[str, Any] | None:
    """The trainer's settings for FSDP2, which shards each layer; None without it, and for a single process.

    Checkpoints are written in shards, one by each process.
    """
    if not recipe.parallelism.fsdp or processes() == 1:
        return None
    return {
        "version": 2,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "reshard_after_forward": True,
        "state_dict_type": "SHARDED_STATE_DICT",
        "cpu_ram_efficient_loading": _loads_once(recipe),
        "activation_checkpointing": recipe.precision.gradient_checkpointing,
    }


def _loads_once(recipe: TrainRecipe) -> bool:
    """Whether only the first process loads weights, and FSDP distributes them.

    Not if all processes need a reference before the model is sharded.
    """
    return recipe.method.kind == "sft"


@contextmanager
def loading(recipe: TrainRecipe) -> Iterator[None]:
    """While a model is loaded: tells transformers whether this process needs only its shape."""
    if fsdp_config(recipe) is None or not _loads_once(recipe):
        yield
        return
    before = os.environ.get(_FSDP, "false")
    os.environ[_FSDP] = "true"
    try:
        yield
    finally:
        os.environ[_FSDP] = before


def know_fsdp_on_cpus(fsdp: bool) -> None:
    """Let accelerate use FSDP in processes without GPUs: it checks for FSDP with GPUs only, and ignores it silently
    otherwise.

    Call it before an `Accelerator` is created, which overwrites the setting.
    """
    if fsdp and PartialState().distributed_type == DistributedType.MULTI_CPU:
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def sequence_parallelism(recipe: TrainRecipe, attention: str) -> ParallelismConfig | None:
    """Accelerate's settings for sequences split over processes: DeepSpeed's Ulysses (arXiv 2309.14509).

    None if each process has whole ones. Raises InputError if the number of processes is not a multiple of the group
    size.
    """
    context = recipe.parallelism.context
    if context == 1:
        return None
    groups = recipe.groups_of(processes())
    handler = DeepSpeedSequenceParallelConfig(sp_seq_length_is_variable=True)
    handler.sp_attn_implementation = attention  # not before: it would take only names that it knows
    return ParallelismConfig(sp_size=context, sp_backend="deepspeed", sp_handler=handler, dp_replicate_size=groups)
