"""Small tokenizers of common model families: files as on the Hub, with a vocabulary of bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

_R1_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<｜User｜>' + m.content }}"
    "{% elif m.role == 'assistant' %}{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] }}"
    "{{ eos_token }}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"
)
_QWEN_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_LLAMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
_R1_TOKENS = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
_QWEN_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_LLAMA_TOKENS = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")


@dataclass(frozen=True)
class Family:
    """What the files of a tokenizer say. `begins`: its own `tokenizer.json` puts the start token before a text."""

    model_type: str
    config: dict[str, Any]
    special: tuple[str, ...]
    template: str
    begins: bool = False
    ordinary: tuple[str, ...] = field(default=("<think>", "</think>"))

    def write(self, folder: Path) -> Path:
        """The folder of the tokenizer."""
        folder.mkdir(parents=True, exist_ok=True)
        self._backend().save(str(folder / "tokenizer.json"))
        for name, content in (
            ("tokenizer_config.json", {**self.config, "chat_template": self.template}),
            ("config.json", {"model_type": self.model_type}),
        ):
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return folder

    def _backend(self) -> Tokenizer:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        made = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
        made.normalizer = normalizers.NFC()
        split = pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated")
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        made.decoder = decoders.ByteLevel()
        made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in self.special])
        made.add_tokens([AddedToken(text, special=False, normalized=False) for text in self.ordinary])
        made.post_processor = processors.ByteLevel(trim_offsets=False)
        if self.begins:
            start = self.special[0]
            made.post_processor = processors.TemplateProcessing(
                single=f"{start} $A", special_tokens=[(start, made.token_to_id(start))]
            )
        return made


def _r1(model_type: str) -> Family:
    begin, end, *_ = _R1_TOKENS
    named = {"bos_token": begin, "eos_token": end, "pad_token": end, "tokenizer_class": "LlamaTokenizerFast"}
    return Family(model_type, {**named, "add_bos_token": True, "add_eos_token": False}, _R1_TOKENS, _R1_TEMPLATE)


def _qwen(eos: str, template: str = _QWEN_TEMPLATE) -> Family:
    named = {"bos_token": None, "eos_token": eos, "pad_token": "<|endoftext|>", "tokenizer_class": "Qwen2Tokenizer"}
    return Family("qwen2", {**named, "add_bos_token": False}, _QWEN_TOKENS, template)


FAMILIES = {
    "R1-Distill-Qwen": _r1("qwen2"),
    "R1-Distill-Llama": _r1("llama"),
    "R1": _r1("deepseek_v3"),
    "QwQ": _qwen(
        "<|im_end|>", _QWEN_TEMPLATE.replace("assistant\\n' }}{% endif", "assistant\\n<think>\\n' }}{% endif")
    ),
    "Qwen2.5": _qwen("<|endoftext|>"),
    "Qwen2.5-Instruct": _qwen("<|im_end|>"),
    "Llama-3.1-Instruct": Family(
        "llama",
        {
            "bos_token": "<|begin_of_text|>",
            "eos_token": "<|eot_id|>",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        _LLAMA_TOKENS,
        _LLAMA_TEMPLATE,
        begins=True,
    ),
    "Llama-3.1": Family(
        "llama",
        {
            "bos_token": "<|begin_of_text|>",
            "eos_token": "<|end_of_text|>",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        _LLAMA_TOKENS,
        _LLAMA_TEMPLATE,
        begins=True,
    ),
}
"""By what they stand for. Of the R1 models `tokenizer.json` says nothing of the start token, only the settings do."""
