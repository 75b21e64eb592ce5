"""Small random models in a folder, with a byte-level tokenizer: complete for the engine, and quick to make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

torch.set_num_threads(1)  # threads only wait for each other over models as small as these

VOCABULARY = 260
END = "<end>"
CHAT_TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"

_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.4,
    "bos_token_id": None,
    "eos_token_id": 256,
    "pad_token_id": 256,
}

KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 16},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
}
"""The kinds that the tests try, each with what it needs."""


def save_all(root: Path) -> dict[str, Path]:
    """A folder for each kind; one of them has a chat template."""
    return {kind: save_model(root / kind, kind, chat=kind == "qwen2", **shape) for kind, shape in KINDS.items()}


def save_model(folder: Path, kind: str = "llama", *, chat: bool = False, seed: int = 0, **changes: Any) -> Path:
    """A folder with a random model of a kind that transformers knows, and its tokenizer."""
    config = transformers.AutoConfig.for_model(kind, **{**_SHAPE, **changes})
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(seed)
        network = transformers.AutoModelForCausalLM.from_config(config)
    transformers.logging.disable_progress_bar()
    network.save_pretrained(folder)
    save_tokenizer(folder, chat=chat)
    return folder


def save_tokenizer(folder: Path, *, chat: bool = False) -> None:
    """One token for each byte, and one special token that ends a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)
    fast.chat_template = CHAT_TEMPLATE if chat else None
    fast.save_pretrained(folder)
