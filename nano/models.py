"""The shape of the models, how one begins from another, their loss, and how weights are written.

When to train and on what is left to `fit`.
"""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path

import torch
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from nano.packing import Batch

VOCABULARY = Path(__file__).with_name("vocabulary")
WIDTH, LAYERS, HEADS = 160, 4, 5
ROUND = 256


def vocabulary() -> PreTrainedTokenizerBase:
    """The tokenizer that all roles share."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(VOCABULARY)
    return tokenizer


def build(tokenizer: PreTrainedTokenizerBase, qwen: bool = False) -> PreTrainedModel:
    """A fresh model from torch's global generator: a Llama, or a Qwen2 of the same size."""
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": -(-WIDTH * 8 // 3 // 32) * 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": False,
        "initializer_range": 0.5 / math.sqrt(WIDTH),
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return Qwen2ForCausalLM(Qwen2Config(**shape)) if qwen else LlamaForCausalLM(LlamaConfig(**shape))


def begin_from(folder: Path, tokenizer: PreTrainedTokenizerBase, qwen: bool = False) -> PreTrainedModel:
    """The model in `folder` in fp32, as a Qwen2 if asked for.

    A Qwen2 differs from a Llama by biases alone; they start at zero where the weights have none. Raises ValueError
    where the weights do not fit.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if not qwen or isinstance(model, Qwen2ForCausalLM):
        return model
    other = build(tokenizer, qwen=True)
    report = other.load_state_dict(model.state_dict(), strict=False)
    if report.unexpected_keys or any(not name.endswith(".bias") for name in report.missing_keys):
        raise ValueError(f"{folder}: its weights do not fit a Qwen2: {report}")
    for name in report.missing_keys:
        torch.nn.init.zeros_(other.get_parameter(name))
    return other


def loss_of(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean cross entropy over weighted tokens; their number is rounded up by tokens without weight (see `packing`)."""
    tokens, weights = torch.from_numpy(batch.tokens), torch.from_numpy(batch.weights).flatten()
    hidden = model.model(tokens, use_cache=False).last_hidden_state.flatten(0, 1)
    following = tokens.roll(-1, dims=1).flatten()
    learnt = weights.nonzero()[:, 0]
    some = torch.cat([learnt, learnt.new_zeros(-len(learnt) % ROUND)])
    share = torch.cat([weights[learnt], weights.new_zeros(len(some) - len(learnt))])
    losses = functional.cross_entropy(model.lm_head(hidden[some]).float(), following[some], reduction="none")
    return (losses * share).sum() / share.sum()


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write bf16 weights, configuration and tokenizer; a reader sees the old files or the new ones, never half."""
    part = folder / "part"
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(part)
    tokenizer.save_pretrained(part)
    for path in sorted(part.iterdir()):
        os.replace(path, folder / path.name)
    part.rmdir()
