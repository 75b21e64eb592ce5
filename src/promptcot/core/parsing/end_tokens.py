"""The special tokens that end a turn or a text, which some servers leave in the reply.

Decides what such a token is. They are removed only from the end; elsewhere, the text may be about them.
"""

from __future__ import annotations

import re

_END_TOKENS = (
    *("</s>", "<eos>", "<eot>", "<eod>", "<EOT>", "[EOS]", "[EOT]", "<EOS_TOKEN>"),  # Llama 2, Mistral, Gemma
    *("<|im_end|>", "<|endoftext|>", "<|end|>", "<|return|>", "<|call|>"),  # Qwen, Phi, gpt-oss
    *("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),  # Llama 3
    *("<end_of_turn>", "<turn|>", "<end_of_utterance>"),  # Gemma, SmolVLM
    *("<｜end▁of▁sentence｜>", "<|EOT|>"),  # DeepSeek
    *("<|user|>", "<|observation|>"),  # GLM
    *("<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>"),  # Command
    *("[|endofturn|]", "<seed:eos>", "<|role_end|>", "[e~["),  # EXAONE, Seed, Ling, MiniMax
)
_LIKE_THEM = r"<[|｜](?:\w{1,16}[_▁])?(?:end|eo[stmd])\w{0,24}[|｜]>"
_END = re.compile(rf"(?:{'|'.join(map(re.escape, _END_TOKENS))}|{_LIKE_THEM})\Z", re.IGNORECASE)
_LAST = frozenset(token[-1] for token in (*_END_TOKENS, "|>"))
_LONGEST = 64


def without_end_tokens(text: str) -> str:
    """The text without end tokens at its end."""
    end = kept = len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        match = _END.search(text, max(0, end - _LONGEST), end) if text[end - 1 : end] in _LAST else None
        if match is None:
            return text[:kept]
        end = kept = match.start()
