"""Translates a recipe into the arguments of TRL, DeepSpeed and PEFT.

Settings that the recipe does not have (other constants of the optimizer, bucket sizes) keep the defaults of these
libraries. Nothing is loaded here.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig
from trl import DPOConfig, GRPOConfig, SFTConfig

from promptcot.errors import InputError
from promptcot.training.kernels import Kernels
from promptcot.training.method_recipe import Dpo, Grpo
from promptcot.training.parallel import deepspeed_config, fsdp_config, processes, sequence_parallelism
from promptcot.training.recipe import Lora, TrainRecipe

_HOURS = 3600
_LEAST_SHARE = 0.1  # the learning rate's, for a cosine that ends above zero


def lora_config(lora: Lora | None) -> LoraConfig | None:
    """PEFT's configuration; None if all weights are trained."""
    if lora is None:
        return None
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
    )


def arguments(recipe: TrainRecipe, kernels: Kernels, *, validates: bool) -> SFTConfig:
    """The arguments of supervised fine-tuning. Tokens, packs and their order are prepared here, not by TRL."""
    more = {"max_length": None, "dataset_kwargs": {"skip_prepare_dataset": True}}
    return _arguments(SFTConfig, recipe, kernels, validates=validates, **more)


def _arguments(config: Any, recipe: TrainRecipe, kernels: Kernels, *, validates: bool, **more: Any) -> Any:
    """The arguments that the trainers of all methods share, and `more`. The order of the rows is already fixed."""
    schedule = recipe.schedule
    return config(
        output_dir=str(recipe.directory),
        run_name=recipe.name,
        num_train_epochs=1,  # the order holds all epochs
        learning_rate=schedule.learning_rate,
        lr_scheduler_type=schedule.kind,
        lr_scheduler_kwargs={"min_lr_rate": _LEAST_SHARE} if schedule.kind == "cosine_with_min_lr" else None,
        warmup_steps=schedule.warmup_steps,
        weight_decay=schedule.weight_decay,
        adam_beta2=schedule.beta2,
        max_grad_norm=schedule.max_grad_norm,
        seed=recipe.seed,
        data_seed=recipe.seed,
        remove_unused_columns=False,
        train_sampling_strategy="sequential",
        **_batches(recipe),
        **_devices(recipe, kernels),
        **_watching(recipe, validates=validates),
        **more,
    )


def _batches(recipe: TrainRecipe) -> dict[str, Any]:
    """The sizes of batches. With steps by rows, a batch of the trainer is a whole step (`training.steps`)."""
    schedule = recipe.schedule
    by_rows = schedule.step_by == "rows" and recipe.method.kind == "sft"
    return {
        "per_device_train_batch_size": 1 if by_rows else schedule.micro_batch,
        "per_device_eval_batch_size": schedule.micro_batch,
        "gradient_accumulation_steps": 1 if by_rows else recipe.accumulation_on(processes()),
    }


def _devices(recipe: TrainRecipe, kernels: Kernels) -> dict[str, Any]:
    """Precision, kernels, and how processes share the model."""
    on_gpu, fsdp = torch.cuda.is_available(), fsdp_config(recipe)
    return {
        "bf16": recipe.precision.dtype == "bfloat16",
        "gradient_checkpointing": recipe.precision.gradient_checkpointing and fsdp is None,  # FSDP has its own
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "use_liger_kernel": kernels.liger,
        "deepspeed": deepspeed_config(recipe),
        "fsdp": fsdp is not None,
        "fsdp_config": fsdp,
        "parallelism_config": sequence_parallelism(recipe, kernels.attention),
        # otherwise FSDP keeps all gradients in each process until the last micro-batch of a step
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": fsdp is not None}},
        "ddp_timeout": 2 * _HOURS,  # the first process may tokenise for long
        "use_cpu": not on_gpu,
        "dataloader_pin_memory": on_gpu,
        "dataloader_num_workers": 2 if on_gpu else 0,
    }


def _watching(recipe: TrainRecipe, *, validates: bool) -> dict[str, Any]:
    """When the trainer saves, evaluates and logs. The checkpoints to keep are chosen here, not by the trainer."""
    watch = recipe.watch
    return {
        "save_strategy": "steps",
        "save_steps": recipe.checkpoints.every,
        "save_total_limit": None,
        "eval_strategy": "steps" if validates else "no",
        "eval_steps": watch.evaluate_every or recipe.checkpoints.every,
        "logging_steps": watch.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "log_level": "error",
        "report_to": list(watch.report_to) or "none",
    }


def dpo_arguments(recipe: TrainRecipe, dpo: Dpo, kernels: Kernels) -> DPOConfig:
    """The arguments of preference optimization. The reference is not kept in memory: its log-probabilities are computed
    once.
    """
    losses = {dpo.loss: 1.0, **({"sft": dpo.sft_weight} if dpo.sft_weight else {})}
    return _arguments(
        DPOConfig,
        recipe,
        kernels,
        validates=bool(recipe.data.validation),
        max_length=None,
        beta=dpo.beta,
        loss_type=list(losses),
        loss_weights=list(losses.values()),
        label_smoothing=dpo.label_smoothing,
        precompute_ref_log_probs=True,
    )


def grpo_arguments(recipe: TrainRecipe, grpo: Grpo, kernels: Kernels, vllm: str | None) -> GRPOConfig:
    """The arguments of reinforcement learning; `vllm` is the mode of vLLM's sampling, None if the model itself samples.

    Raises InputError if the batch does not hold whole groups.
    """
    if recipe.sequences_per_step % grpo.generations:
        raise InputError(
            f"a step has {recipe.sequences_per_step} completions (devices × micro_batch × accumulation), which is not "
            f"a multiple of method.grpo.generations = {grpo.generations}: choose another schedule.accumulation or "
            "another number of generations"
        )
    reference = {"revision": recipe.model.revision, "use_safetensors": True} if grpo.beta else None
    return _arguments(
        GRPOConfig,
        recipe,
        kernels,
        validates=False,
        model_init_kwargs=reference,  # for the reference only, since the model itself is already loaded
        max_steps=recipe.schedule.max_steps or -1,
        num_generations=grpo.generations,
        max_completion_length=grpo.max_completion_length,
        temperature=grpo.temperature,
        top_p=grpo.top_p,
        steps_per_generation=recipe.accumulation_on(processes()) * grpo.updates,
        beta=grpo.beta,
        epsilon=grpo.epsilon,
        epsilon_high=grpo.epsilon_high,
        loss_type=grpo.loss,
        scale_rewards=grpo.scale_rewards,
        mask_truncated_completions=grpo.mask_truncated,
        shuffle_dataset=False,
        disable_dropout=True,
        use_vllm=vllm is not None,
        vllm_mode=vllm or "colocate",
        vllm_server_base_url=grpo.vllm_server if vllm == "server" else None,
        vllm_gpu_memory_utilization=grpo.vllm_memory,
        vllm_max_model_length=recipe.schedule.max_length,
    )
