"""Attention that keeps packed sequences separate on any device, with torch's own fused kernels.

A packed batch is one row of tokens, and `cu_seq_lens_q` says where each sequence begins. Here each sequence gets a
separate call, so that sequences of nᵢ tokens cost Σ nᵢ² instead of (Σ nᵢ)², and no mask of that size is built.
Everything else (padded rows, generation with a cache, sliding windows) uses transformers' `sdpa`. FlashAttention, where
installed, handles all sequences in one call; `torch.nn.attention.varlen` offers the same on CUDA in half precision, and
is not used here because it has not been tested.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

VARLEN = "promptcot_varlen"
"""The value for `attn_implementation` after `register`."""


def register() -> None:
    """Register `VARLEN` with transformers. May be called repeatedly."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(VARLEN, varlen_attention)
    AttentionMaskInterface.register(VARLEN, varlen_mask)


def varlen_mask(
    *,
    q_length: int,
    kv_length: int,
    attention_mask: torch.Tensor | None = None,
    local_size: int | None = None,
    use_vmap: bool = False,
    **others: Any,
) -> torch.Tensor | None:
    """No mask for plain causal attention in each sequence; otherwise the mask that transformers builds for `sdpa`."""
    whole = local_size is None or kv_length <= local_size
    causal = "allow_is_bidirectional_skip" not in others and not use_vmap
    if attention_mask is None and q_length == kv_length and whole and causal:
        return None
    from transformers.masking_utils import sdpa_mask

    mask: torch.Tensor | None = sdpa_mask(
        q_length=q_length,
        kv_length=kv_length,
        attention_mask=attention_mask,
        local_size=local_size,
        use_vmap=use_vmap,
        **others,
    )
    return mask


def varlen_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each sequence: (1, heads, tokens, dim) to (1, tokens, heads, dim).

    Raises ValueError for sequences that share a row without `cu_seq_lens_q`, and for features that no fused kernel
    supports.
    """
    if any(others.get(name) is not None for name in ("softcap", "s_aux", "position_bias")):
        raise ValueError(
            f"{VARLEN} does not support soft caps, sinks or position biases; set model.attention to another kind"
        )
    if attention_mask is None and cu_seq_lens_q is not None:
        return _each_alone(query, key, value, _lengths(cu_seq_lens_q), dropout, scaling), None
    if attention_mask is None and query.shape[2] > 1:
        _refuse_restarts(others.get("position_ids"))
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    attended: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
    )
    return attended


def _each_alone(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: list[int],
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Uses `split` rather than slices: its gradient is one concatenation, not a tensor of zeros for each sequence."""
    if query.shape[0] != 1 or sum(lengths) != query.shape[2]:
        raise ValueError(
            f"a packed batch is one row whose tokens cu_seq_lens_q divides; here are {query.shape[0]} rows of "
            f"{query.shape[2]} tokens, and sequences of {sum(lengths)} tokens in all"
        )
    parts = zip(*(torch.split(tensor, lengths, dim=2) for tensor in (query, key, value)), strict=True)
    attended = [
        scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
        ).transpose(1, 2)
        for q, k, v in parts
    ]
    return torch.cat(attended, dim=1)


def _lengths(bounds: torch.Tensor) -> list[int]:
    """The sequences' lengths, cached on the tensor: all layers share it, and reading it makes a GPU wait."""
    known: list[int] | None = getattr(bounds, "_promptcot_lengths", None)
    if known is None:
        known = bounds.diff().tolist()
        bounds._promptcot_lengths = known  # type: ignore[attr-defined]
    return known


def _refuse_restarts(position_ids: torch.Tensor | None) -> None:
    """Raises ValueError if positions decrease: the row has several sequences, which would attend to each other."""
    if position_ids is None or getattr(position_ids, "_promptcot_checked", False):
        return
    if bool((position_ids.diff(dim=-1) < 0).any()):
        raise ValueError(
            "position_ids restart within a row, but cu_seq_lens_q is missing, so its sequences would see each other: "
            "batches come from promptcot.training.data.collating, or give cu_seq_lens_q"
        )
    position_ids._promptcot_checked = True  # type: ignore[attr-defined]
