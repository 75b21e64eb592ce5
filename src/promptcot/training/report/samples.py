"""Completions drawn from the model while it is trained, to be read by a person.

Drawn by transformers, without dropout, and with random numbers of their own, so that the training goes on as if nothing
had been drawn. Under ZeRO-3 every process has a part of the weights and must take part in each step: all draw for the
same prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationConfig

_TEMPERATURE = 0.7
_GENERATES = ("eager", "sdpa", "flash")


def complete(
    model: Any, prompts: Sequence[Sequence[int]], *, stop: Sequence[int], limit: int, seed: int
) -> list[list[int]]:
    """For each prompt (ids) up to `limit` new ids, at temperature 0.7, without the one that ended them.

    Where the weights are divided, all processes must call it. The model is left in the mode in which it was.
    """
    longest = max(map(len, prompts))
    room = getattr(model.config, "max_position_embeddings", None) or longest + limit
    settings = GenerationConfig(
        do_sample=True,
        temperature=_TEMPERATURE,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        max_new_tokens=max(1, min(limit, room - longest)),
        eos_token_id=list(stop),
        pad_token_id=0,
        use_cache=True,
    )
    with _able_to_generate(model, seed) as device:
        ids, mask = _padded_left(prompts, device)
        drawn = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings)
    return [_until_the_end(row, stop) for row in drawn[:, longest:].tolist()]


def _padded_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, both (prompts, longest). The id of padding does not matter: nothing attends to it."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(map(int, prompt)) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def _until_the_end(ids: list[int], stop: Sequence[int]) -> list[int]:
    return ids[: next((place for place, token in enumerate(ids) if token in stop), len(ids))]


@contextmanager
def _able_to_generate(model: Any, seed: int) -> Iterator[torch.device]:
    """No gradients, no dropout, own random numbers, and attention that knows a cache: ours for packs need not.

    Gives the device of the model.
    """
    training, attention, device = model.training, model.config._attn_implementation, next(model.parameters()).device
    model.eval()
    if not str(attention).startswith(_GENERATES):
        model.config._attn_implementation = "sdpa"
    try:
        with torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)  # noqa: TID251 - `generate` takes no generator, and the state is a fork
            yield device
    finally:
        model.config._attn_implementation = attention
        model.train(training)
