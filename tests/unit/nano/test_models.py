"""The shape of the models: a Qwen2 that begins from a Llama, the loss of weighted tokens, and weights on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import PreTrainedModel, Qwen2ForCausalLM

from nano.models import begin_from, build, loss_of, save, vocabulary
from nano.packing import Batch, encoded, padded
from nano.texts import Example
from tests.unit.nano.small import shrink

TOKENS = torch.arange(60).reshape(2, 30)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PreTrainedModel:
    shrink(monkeypatch)
    with torch.random.fork_rng():
        torch.manual_seed(3)  # noqa: TID251 — transformers draws initial weights from the global generator
        return build(vocabulary())


def test_a_qwen2_that_begins_from_a_llama_says_the_same(model: PreTrainedModel, tmp_path: Path) -> None:
    save(model, vocabulary(), tmp_path)
    llama, qwen = begin_from(tmp_path, vocabulary()), begin_from(tmp_path, vocabulary(), qwen=True)
    assert isinstance(qwen, Qwen2ForCausalLM)
    torch.testing.assert_close(qwen(TOKENS).logits, llama(TOKENS).logits)
    assert any(name.endswith(".bias") for name, _ in qwen.named_parameters())


def test_weights_are_saved_in_bf16_and_only_whole_files_stay(model: PreTrainedModel, tmp_path: Path) -> None:
    save(model, vocabulary(), tmp_path)
    again = begin_from(tmp_path, vocabulary())
    for (name, stored), kept in zip(again.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(stored, kept.to(torch.bfloat16).float()), name
    assert model.dtype == torch.float32
    assert not (tmp_path / "part").exists()


def test_the_weights_of_another_shape_are_refused(
    model: PreTrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(model, vocabulary(), tmp_path)
    monkeypatch.setattr("nano.models.LAYERS", 1)
    with pytest.raises(ValueError, match="do not fit a Qwen2"):
        begin_from(tmp_path, vocabulary(), qwen=True)


def test_a_token_counts_in_the_loss_by_its_weight(model: PreTrainedModel) -> None:
    """Prompt tokens a quarter, tokens of the completion and the end one, padding nothing."""
    group = [([5, 6, 7, 8, 9, 2], 3), ([11, 12, 13, 2], 1)]
    batch = padded(group, 64, 0.25, pad=0)
    assert batch.tokens.shape == (2, 32)
    assert batch.real_tokens == 10
    assert batch.weights[:, :6].tolist() == [[0.25, 0.25, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0]]
    assert not batch.weights[:, 6:].any()
    logits = model(torch.from_numpy(batch.tokens)).logits
    total = weight = 0.0
    for row, (ids, prompt) in enumerate(group):
        for place in range(len(ids) - 1):
            share = 1.0 if place >= prompt - 1 else 0.25
            loss = functional.cross_entropy(logits[row, place], torch.tensor(ids[place + 1]))
            total, weight = total + share * loss.item(), weight + share
    assert loss_of(model, batch).item() == pytest.approx(total / weight, rel=1e-5)


def test_what_has_no_weight_does_not_change_the_loss(model: PreTrainedModel) -> None:
    batch = padded([([5, 6, 7, 8], 2)], 32, 0.0, pad=0)
    other = Batch(np.where(np.arange(32) < 4, batch.tokens, 17), batch.weights, 4)
    assert loss_of(model, other).item() == pytest.approx(loss_of(model, batch).item())


def test_a_text_is_prompt_completion_and_the_end_mark() -> None:
    tokenizer = vocabulary()
    [(ids, prompt)] = encoded(tokenizer, [Example("Find A.\n", "So 7.")], 64)
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:prompt]) == "Find A.\n"
    assert tokenizer.decode(ids[prompt:-1]) == "So 7."
    assert encoded(tokenizer, [Example("Find A.\n", "So 7.")], len(ids) - 1) == []
