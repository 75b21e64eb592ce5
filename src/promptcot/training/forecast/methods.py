"""The dry run's row counts for methods whose rows are not single sequences: pairs (DPO) and prompts (GRPO).

Decides what a row is for each method and which length is assumed. Everything else is computed as for supervised
fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptcot.training.data.pairs import pairs
from promptcot.training.data.prompts import questions
from promptcot.training.data.reading import Example, Rejected
from promptcot.training.data.rows import examples
from promptcot.training.data_recipe import Data
from promptcot.training.forecast.architecture import Shape
from promptcot.training.recipe import TrainRecipe

if TYPE_CHECKING:
    from promptcot.training.forecast.counting import Counted


def rows_read(
    recipe: TrainRecipe, data: Data, tokenizer: Any, tell: Callable[[str], None]
) -> Iterator[tuple[Example, ...] | Rejected]:
    """The sequences of each row of one source, by the training's reader. A pair has two, a prompt has no answer."""
    if recipe.method.kind == "dpo":
        return pairs(data, tokenizer, tell)
    found = questions(recipe, tokenizer, tell) if recipe.method.kind == "grpo" else examples(data, tokenizer, tell)
    return (one if isinstance(one, Rejected) else (one,) for one in found)


def counted_for(recipe: TrainRecipe, counted: Counted) -> Counted:
    """Converts counts of sequences to the units of a step: pairs, or completions with their prompts."""
    grpo, lengths = recipe.method.grpo, counted.lengths
    if recipe.method.kind == "dpo":
        mean = lengths and replace(lengths, mean=2 * lengths.mean)
        note = "a row is a pair: both sides are trained on, each with the prompt; the reference model is not included"
        return replace(counted, lengths=mean, notes=[*counted.notes, note])
    if grpo is None:
        return counted
    longest = grpo.max_completion_length
    rows = None if counted.rows is None else counted.rows * grpo.generations
    mean = lengths
    if lengths is not None:
        whole = lengths.mean + longest
        mean = replace(lengths, mean=whole, context=whole / 2, padded=1.0)
    notes = [
        f"a row is a completion: each prompt gets {grpo.generations}, all assumed to have the maximum length, "
        f"{longest:,} tokens",
        "GPU-hours do not include sampling the completions, which often takes as long again or longer",
    ]
    return replace(counted, rows=rows, lengths=mean, notes=[*counted.notes, *notes], measured=0)


def sequences_at_once(recipe: TrainRecipe) -> int:
    """Sequences of a micro-batch on a device."""
    return recipe.schedule.micro_batch * (2 if recipe.method.kind == "dpo" else 1)


def reference_weights(shape: Shape, recipe: TrainRecipe) -> int:
    """Weights of a second model in memory, if rewards are combined with a KL divergence from the initial model.

    For preferences the reference is computed once, in advance; with adapters it is the model without them.
    """
    grpo = recipe.method.grpo
    return shape.parameters if grpo is not None and grpo.beta and recipe.method.lora is None else 0


def drawing(shape: Shape, recipe: TrainRecipe, element: int) -> int:
    """Bytes of keys and values while a device generates completions itself; vLLM has its own share of the device."""
    grpo = recipe.method.grpo
    if grpo is None or grpo.vllm in ("colocate", "server"):
        return 0
    if grpo.vllm == "auto" and recipe.hardware.device != "cpu":
        return 0
    schedule = recipe.schedule
    together = schedule.micro_batch * schedule.accumulation * grpo.updates
    return 2 * shape.layers * shape.keys * element * together * schedule.max_length


def share_left(recipe: TrainRecipe) -> float:
    """The share of a device's memory that vLLM leaves to the training."""
    grpo = recipe.method.grpo
    beside = grpo is not None and grpo.vllm in ("auto", "colocate") and recipe.hardware.device != "cpu"
    return 1 - grpo.vllm_memory if grpo is not None and beside else 1.0
