"""Samples completions from the model during training, for people to read.

Sampling uses its own generator and no dropout, so it does not affect the training. Under ZeRO-3 every process holds a
part of the weights and must take part in each step: all process the same prompts, and use the tokens that the first
process sampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

_TEMPERATURE = 0.7
_GENERATES = ("eager", "sdpa", "flash")


def complete(
    model: Any, prompts: Sequence[Sequence[int]], *, stop: Sequence[int], limit: int, seed: int, together: bool = False
) -> list[list[int]]:
    """Up to `limit` new ids for each prompt (ids), at temperature 0.7, without the end token.

    With `together` all processes of the group must call it. The train/eval mode of the model is restored.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    room = getattr(model.config, "max_position_embeddings", None) or limit + max(map(len, prompts))
    limit = max(1, min(limit, room - max(map(len, prompts))))
    with able_to_generate(model):
        drawn = torch.stack(list(_steps(model, prompts, stop, limit, generator, together)), dim=1)
    return [_until_the_end(row, stop) for row in drawn.tolist()]


def _steps(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: Sequence[int],
    limit: int,
    generator: torch.Generator,
    together: bool,
) -> Iterator[torch.Tensor]:
    """The next id of each prompt (shape: prompts), until all have ended."""
    ids, mask = _padded_left(prompts, generator.device)
    ends = torch.tensor(list(stop), device=ids.device)
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=ids.device)
    cache: dict[str, Any] = {}
    for _ in range(limit):
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        found = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            **cache,
            use_cache=True,
            logits_to_keep=1,  # the logits of a long prompt would not fit beside the training
        )
        # transformers calls it `cache` since 5.24, and takes it under the name that it gives it.
        name = "cache" if "cache" in found else "past_key_values"
        cache = {name: found[name]}
        chances = torch.softmax(found.logits[:, -1].float() / _TEMPERATURE, dim=-1)
        ids = torch.multinomial(chances, 1, generator=generator)
        if together:
            torch.distributed.broadcast(ids, 0)
        yield ids[:, 0]
        ended |= torch.isin(ids[:, 0], ends)
        if ended.all():
            return
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)


def _padded_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, both (prompts, longest). The padding id does not matter: no token attends to it."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(map(int, prompt)) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def _until_the_end(ids: list[int], stop: Sequence[int]) -> list[int]:
    return ids[: next((place for place, token in enumerate(ids) if token in stop), len(ids))]


@contextmanager
def able_to_generate(model: Any) -> Iterator[None]:
    """No gradients, no dropout, and an attention that supports a cache, unlike ours for packed sequences."""
    training, attention = model.training, model.config._attn_implementation
    model.eval()
    if not str(attention).startswith(_GENERATES):
        model.config._attn_implementation = "sdpa"
    try:
        with torch.no_grad():
            yield
    finally:
        model.config._attn_implementation = attention
        model.train(training)
