"""Packed sequences do not attend to each other, with any attention, and errors for inputs that would allow it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from promptcot import nano
from promptcot.training.data.attention import VARLEN, register

LENGTHS = (17, 1, 40, 9)
KINDS = [VARLEN, "sdpa", "eager"]
register()


@cache
def solver(kind: str) -> Any:
    folder = nano.path("solver")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=kind).eval()


def random_ids(*shape: int) -> torch.Tensor:
    return torch.randint(2, 1000, shape, generator=torch.Generator().manual_seed(5))


IDS = random_ids(1, sum(LENGTHS))


def packed(lengths: tuple[int, ...] = LENGTHS) -> dict[str, Any]:
    bounds = torch.tensor([0, *lengths]).cumsum(0, dtype=torch.int32)
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    return {"position_ids": positions, "cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "use_cache": False}


def alone(model: Any, ids: torch.Tensor = IDS) -> torch.Tensor:
    return torch.cat([model(part).logits for part in ids.split(LENGTHS, dim=1)], dim=1)


def gradients(model: Any, loss: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_a_packed_sequence_are_those_of_the_sequence_alone(kind: str) -> None:
    with torch.no_grad():
        together = solver(kind)(IDS, **packed()).logits
        torch.testing.assert_close(together, alone(solver("sdpa")), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_packed_sequences_are_those_of_the_sequences_alone(kind: str) -> None:
    weights = torch.rand(IDS.shape[1], generator=torch.Generator().manual_seed(6))
    model = solver(kind)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return (logits.logsumexp(-1)[0] * weights).sum()

    together = gradients(model, loss(model(IDS, **packed()).logits))
    apart = gradients(model, loss(alone(model)))
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_the_trap_a_mask_of_ones_lets_packed_sequences_see_each_other() -> None:
    ones = torch.ones_like(IDS)
    with torch.no_grad():
        expected = alone(solver("sdpa"))
        leaking = solver("sdpa")(IDS, attention_mask=ones, **packed()).logits
        ours = solver(VARLEN)(IDS, attention_mask=ones, **packed()).logits
    assert (leaking - expected).abs().max() > 0.1
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mask", [None, torch.ones_like(IDS)])
def test_restarting_positions_without_bounds_are_refused(mask: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match="cu_seq_lens_q is missing"):
        solver(VARLEN)(IDS, attention_mask=mask, position_ids=packed()["position_ids"], use_cache=False)


def test_bounds_that_do_not_divide_the_batch_are_refused() -> None:
    short = {**packed(), "cu_seq_lens_q": torch.tensor([0, 17, 18], dtype=torch.int32)}
    with pytest.raises(ValueError, match="one row"):
        solver(VARLEN)(IDS, **short)
    with pytest.raises(ValueError, match="one row"):
        solver(VARLEN)(IDS.expand(2, -1), **packed())


def test_padded_rows_are_attended_as_by_sdpa() -> None:
    ids = random_ids(2, 12)
    mask = torch.ones_like(ids)
    mask[0, 7:] = 0
    with torch.no_grad():
        ours, theirs = (solver(kind)(ids, attention_mask=mask).logits for kind in (VARLEN, "sdpa"))
    torch.testing.assert_close(ours[mask.bool()], theirs[mask.bool()], atol=1e-4, rtol=0)


@pytest.mark.parametrize("padding", [0, 5])
def test_a_model_generates_the_same_as_with_sdpa_also_for_prompts_of_unequal_length(padding: int) -> None:
    ids = random_ids(2, 12)
    mask = torch.ones_like(ids)
    mask[0, :padding] = 0
    ids[0, :padding] = 1
    drawn = [
        solver(kind).generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False).tolist()
        for kind in (VARLEN, "sdpa")
    ]
    assert drawn[0] == drawn[1]


def small(config: type[LlamaConfig] | type[MistralConfig], model: Any, kind: str, **options: Any) -> Any:
    made = config(
        vocab_size=1000,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation=kind,
        **options,
    )
    return model(made).eval()


@pytest.mark.parametrize(
    ("config", "model", "options"),
    [(LlamaConfig, LlamaForCausalLM, {}), (MistralConfig, MistralForCausalLM, {"sliding_window": 8})],
    ids=["grouped heads", "sliding window"],
)
def test_models_with_grouped_heads_or_windows_keep_sequences_apart(config: Any, model: Any, options: Any) -> None:
    ours, theirs = small(config, model, VARLEN, **options), small(config, model, "eager", **options)
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(IDS, **packed()).logits, alone(theirs), atol=1e-4, rtol=0)


def test_the_same_holds_under_gradient_checkpointing() -> None:
    model = small(LlamaConfig, LlamaForCausalLM, VARLEN).train()
    plain = gradients(model, model(IDS, labels=IDS, **packed()).loss)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    again = gradients(model, model(IDS, labels=IDS, **packed()).loss)
    for one, other in zip(plain, again, strict=True):
        torch.testing.assert_close(one, other)


def test_what_no_fused_kernel_computes_is_refused() -> None:
    from promptcot.training.data.attention import varlen_attention

    heads = torch.zeros(1, 1, 4, 8)
    with pytest.raises(ValueError, match=r"model\.attention"):
        varlen_attention(torch.nn.Identity(), heads, heads, heads, None, softcap=30.0)
