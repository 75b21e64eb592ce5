"""Context parallelism: the part of a batch that each process gets, and its share of the loss.

DeepSpeed's Ulysses exchanges heads for tokens in attention: a process holds whole sequences of some heads in attention,
and some tokens everywhere else. Its own loader would gather batches of all processes and split them, but a resumed
training could not skip batches in it. Here every process of a group builds the same batch and keeps its part. Packed
rows stay separate, because attention gets the bounds of the whole batch (`cu_seq_lens_q`). Targets are shifted before
the split, so none is lost at a boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from promptcot.errors import InputError
from promptcot.training.data.collating import IGNORED

Batch = dict[str, Any]
_CUT = ("input_ids", "position_ids", "labels", "shift_labels")


class ContextCollator:
    """Splits packed batches of `collator` into `parts` of equal length, and keeps the one at `place`."""

    def __init__(self, collator: Callable[[Sequence[Batch]], Batch], place: int, parts: int, pad_id: int) -> None:
        self._collator, self._place, self._parts, self._pad_id = collator, place, parts, pad_id

    def __call__(self, examples: Sequence[Batch]) -> Batch:
        """The batch of these examples, or its `micro_batches`, as this process gets them."""
        batch = self._collator(examples)
        if "micro_batches" in batch:
            return {"micro_batches": list(map(self._part, batch["micro_batches"]))}
        return self._part(batch)

    def _part(self, batch: Batch) -> Batch:
        filled = _filled(batch, self._parts, self._pad_id)
        filled["shift_labels"] = pad(filled["labels"], (0, 1), value=IGNORED)[:, 1:]
        each = filled["input_ids"].shape[1] // self._parts
        own = slice(self._place * each, (self._place + 1) * each)
        cut = {name: filled[name][:, own].contiguous() for name in _CUT}
        return {**filled, **cut, "labels": cut["shift_labels"], "leads": self._place == 0}


def _filled(batch: Batch, parts: int, pad_id: int) -> Batch:
    """Padded with a sequence without loss, if the tokens cannot be divided evenly."""
    tokens = batch["input_ids"].shape[1]
    missing = -tokens % parts
    if not missing:
        return dict(batch)
    bounds = torch.cat([batch["cu_seq_lens_q"], torch.tensor([tokens + missing], dtype=torch.int32)])
    position = torch.cat([batch["position_ids"], torch.arange(missing)[None]], dim=1)
    longest = max(batch["max_length_q"], missing)
    return {
        **batch,
        "input_ids": pad(batch["input_ids"], (0, missing), value=pad_id),
        "labels": pad(batch["labels"], (0, missing), value=IGNORED),
        "position_ids": position,
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def check_heads(config: Any, parts: int) -> None:
    """Raises InputError if the model's heads cannot be divided among `parts` processes."""
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    if heads % parts or (kv_heads % parts and parts % kv_heads):
        raise InputError(
            f"parallelism.context = {parts} divides attention by its heads, and this model has {heads}, with "
            f"{kv_heads} for keys: choose a number that divides both"
        )


def only_in_training(attention: str, usual: Callable[..., Any]) -> None:
    """Use the normal attention for whole sequences: DeepSpeed's would drop their mask outside of training."""
    divided = ALL_ATTENTION_FUNCTIONS[attention]

    def chosen(module: torch.nn.Module, *arguments: Any, **named: Any) -> Any:
        return (divided if module.training else usual)(module, *arguments, **named)

    ALL_ATTENTION_FUNCTIONS[attention] = chosen


def loss_of_part(model: Any, inputs: Batch, targets: torch.Tensor, groups: int) -> torch.Tensor:
    """This process's share of the loss, times `groups`: gradients are summed in a group, and averaged over groups.

    `targets` is the number of tokens with a loss in the step, over all processes.
    """
    arguments = {name: value for name, value in inputs.items() if name not in ("rows", "leads", "labels")}
    found = model(**arguments, use_cache=False, fused_lm_head=True)
    loss: torch.Tensor = -found.log_probs.sum() * groups / targets.clamp(min=1)
    return loss
