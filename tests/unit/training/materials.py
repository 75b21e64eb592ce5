"""Tokenizers, rows and recipes that several tests of the training share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptcot import nano
from promptcot.storage.writer import RowWriter
from promptcot.training.recipe import TrainRecipe

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Like many templates it trims what it is given, which an answer must not suffer."""
THINKING = CHATML.replace("assistant\n{%", "assistant\n<think>\n{%")


def tokenizer(template: str | None = None, *, begin: bool = False) -> Any:
    """The nano tokenizer, made to know the special tokens of a chat, and to begin texts with `<bos>` if wanted."""
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(nano.path("solver"))
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    made.chat_template = template
    if begin:
        from tokenizers.processors import TemplateProcessing

        made.add_special_tokens({"bos_token": "<bos>"})
        made.backend_tokenizer.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", made.bos_token_id)]
        )
    return made


def spaced() -> Any:
    """A tokenizer that puts a space before every text, as those made with SentencePiece do."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {name: number for number, name in enumerate(["</s>", "▁", "\n", "a", "b", "▁a", "▁b", "ab", "▁ab"])}
    merges = [("▁", "a"), ("▁", "b"), ("a", "b"), ("▁a", "b")]
    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    writer = RowWriter(path)
    for row in rows:
        writer.write(row)
    writer.commit()
    return path


def recipe(path: Path | str, window: int = 64, overlong: str = "cut", **data: Any) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {
            "model": {"path": "nano:solver"},
            "data": {"path": str(path), **data},
            "method": {"overlong": overlong},
            "schedule": {"max_length": window},
        }
    )
