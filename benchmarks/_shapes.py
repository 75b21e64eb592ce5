"""Models with published shapes, with random weights or none, and a tokenizer of invented words, one token each.

So a text of 256 words has 256 tokens, and a reply is as long as its limit allows.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

Shape = dict[str, Any]
"""Fields of a `config.json`."""

LLAMA_8B: Shape = {
    "model_type": "llama",
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
}
"""Llama 3.1 8B, by its config.json."""

QWEN_1_5B: Shape = {
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
"""Qwen2.5 1.5B, by its config.json."""

COMPARED: Shape = {
    "model_type": "llama",
    "vocab_size": 32_000,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
    "initializer_range": 0.1,
}
"""A model for comparing texts. Large weights separate the two likeliest tokens, unlike those of a new model."""

TINY: Shape = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
    "initializer_range": 0.4,
}
"""What replaces the numbers of a shape at the smallest size; heads of 64, for vLLM has no smaller ones on CPUs."""


def words(count: int, seed: int, vocabulary: int) -> str:
    """So many words of the tokenizer's, by chance."""
    drawn = random.Random(seed)
    return " ".join(_word(drawn.randrange(2, vocabulary)) for _ in range(count))


def _word(number: int) -> str:
    """A word of lower-case letters for each number, and no two the same."""
    letters = ""
    while number or not letters:
        number, place = divmod(number, 26)
        letters += chr(97 + place)
    return letters


def save_shape(folder: Path, shape: Shape, dtype: str = "bfloat16") -> Path:
    """A folder with configuration and tokenizer, without weights."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    ends = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    transformers.AutoConfig.for_model(
        **shape, **ends, dtype=dtype, architectures=[_architecture(shape)]
    ).save_pretrained(folder)
    vocabulary = {"<end>": 0, "<unknown>": 1, **{_word(number): number for number in range(2, shape["vocab_size"])}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", unk_token="<unknown>"
    ).save_pretrained(folder)
    return folder


def _architecture(shape: Shape) -> str:
    return {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}[shape["model_type"]]


def save_weights(folder: Path, dtype: str) -> None:
    """Random weights for a folder that has a configuration; made on the GPU, where that takes a second."""
    import torch
    import transformers

    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.random.fork_rng(), torch.device(device):
        torch.default_generator.manual_seed(0)
        network = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    network.save_pretrained(folder)
