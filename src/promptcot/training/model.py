"""Loads the base model of a training run in the number type and with the kernels of the recipe.

Decides the precision of trainable weights, and checks that model and tokens match.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from promptcot import nano
from promptcot.errors import InputError
from promptcot.training.forecast.architecture import Shape, mean_context
from promptcot.training.kernels import Kernels
from promptcot.training.methods.protocol import Say
from promptcot.training.parallel import loading
from promptcot.training.quantized import quantization
from promptcot.training.recipe import TrainRecipe


def load_model(recipe: TrainRecipe, kernels: Kernels) -> PreTrainedModel:
    """The base model. Trainable weights without DeepSpeed are float32, with computation in bfloat16."""
    frozen = recipe.method.lora is not None
    half = (recipe.parallelism.zero or frozen) and recipe.precision.dtype == "bfloat16"
    if recipe.parallelism.zero == 3 or recipe.parallelism.context > 1:
        _tell_deepspeed()
    try:
        with loading(recipe):
            return AutoModelForCausalLM.from_pretrained(
                nano.resolve(recipe.model.path, "base"),
                revision=recipe.model.revision,
                dtype="bfloat16" if half else "float32",
                attn_implementation=kernels.attention,
                quantization_config=quantization(recipe),
                use_safetensors=True,
                trust_remote_code=False,
            )
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{recipe.model.path}: no model can be loaded: {error}") from error


def _tell_deepspeed() -> None:
    """Tell DeepSpeed the processes: on a CPU accelerate does not, and each process would load all weights."""
    import deepspeed

    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)


def compare(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, longest: int, tell: Say) -> None:
    """Check that model and tokens match. Raises InputError for a tokenizer with more tokens than the model."""
    rows, ids = model.get_input_embeddings().num_embeddings, max(tokenizer.get_vocab().values())
    if ids >= rows:
        raise InputError(
            f"the tokenizer has ids up to {ids:,}, and the model only {rows:,} embeddings: they do not belong "
            "together; set model.tokenizer to the model's own"
        )
    room = getattr(model.config, "max_position_embeddings", None)
    if room and longest > room:
        tell(f"note: rows have up to {longest:,} tokens, but the model's config.json allows only {room:,} positions")


def flops_per_token(model: PreTrainedModel, lengths: NDArray[Any]) -> float | None:
    """The operations of a forward and a backward pass, at sequences of these lengths.

    None for an unsupported architecture, which can be trained nevertheless.
    """
    try:
        shape = Shape.of_config(model.config.to_dict())
    except InputError:
        return None
    return shape.flops_per_token(mean_context(lengths.tolist()))
