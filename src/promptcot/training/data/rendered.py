"""Detects texts that a chat template has already rendered, so that ours does not nest a chat in a turn.

A rendered chat begins with a turn, or ends with the opening of an answer. A text that merely quotes such tokens is not
a rendered chat.
"""

from __future__ import annotations

import re

_BEGINNINGS = ("<s>", "<bos>", "<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<|startoftext|>", "[gMASK]<sop>")
"""Text that a tokenizer puts before a text; templates write it too."""

_FIRST = (
    *(r"<\|im_start\|>(?:system|user|assistant|developer|human)\b", r"<\|im_(?:user|system)\|>"),  # ChatML, Qwen; Kimi
    *("<｜(?:User|Assistant|System)｜>", "<｜begin▁of▁sentence｜>"),  # DeepSeek
    *(r"\[INST\]", r"\[SYSTEM_PROMPT\]", r"<<SYS>>"),  # Llama 2, Mistral
    *(r"<\|start_header_id\|>", r"<\|header_start\|>", r"<\|begin_of_text\|>"),  # Llama 3, Llama 4
    *(r"<start_of_turn>(?:user|model)\b", r"<\|turn>(?:system|user|model)\b"),  # Gemma
    *(r"<\|(?:system|user|assistant)\|>", r"\[gMASK\]"),  # GLM, Phi, Zephyr
    *(r"<\|start\|>(?:system|developer|user|assistant)\b", r"<\|start_of_role\|>"),  # gpt-oss, Granite
    *(r"<\|START_OF_TURN_TOKEN\|>", r"\[\|(?:system|user|assistant)\|\]", r"<role>\w+</role>"),  # Command, EXAONE, Ling
)
_LAST = (
    *(r"<\|im_start\|>assistant", r"<\|im_assistant\|>assistant<\|im_middle\|>", "<｜Assistant｜>", r"\[/INST\]"),
    *(r"<\|start_header_id\|>assistant<\|end_header_id\|>", r"<\|header_start\|>assistant<\|header_end\|>"),
    *("<start_of_turn>model", r"<\|turn>model", r"<\|assistant\|>", r"<\|start\|>assistant"),
    *(r"<\|start_of_role\|>assistant<\|end_of_role\|>", r"<\|START_OF_TURN_TOKEN\|><\|CHATBOT_TOKEN\|>"),
    *(r"\[\|assistant\|\]", "<role>ASSISTANT</role>"),
)
_BEGINS = re.compile(rf"\s*(?:(?:{'|'.join(map(re.escape, _BEGINNINGS))})\s*)?(?:{'|'.join(_FIRST)})")
_ENDS = re.compile(rf"(?:{'|'.join(_LAST)})\s*(?:<think>\s*(?:</think>\s*)?)?\Z")
_LOOKED_AT = 200
"""Characters at the end of a text in which an answer may be opened."""


def is_rendered(text: str) -> bool:
    """Whether the text contains rendered turns."""
    return bool(_BEGINS.match(text) or _ENDS.search(text[-_LOOKED_AT:]))
