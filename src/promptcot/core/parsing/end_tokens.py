"""The special tokens with which models end a turn, which some servers leave in the text.

Decides what such a token is. They are taken off the end of a text only: further in, they may be what the text is about.
"""

from __future__ import annotations

END_TOKENS = (
    "<|im_end|>",  # ChatML: Qwen, Yi, SmolLM, InternLM
    "<|endoftext|>",  # GPT-2, Qwen, Phi
    "</s>",  # Llama 2, Mistral
    "<|eot_id|>",  # Llama 3
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|eot|>",  # Llama 4
    "<|end|>",  # Phi, gpt-oss
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",  # Gemma
    "<eos>",
    "<｜end▁of▁sentence｜>",  # DeepSeek
    "<|EOT|>",  # DeepSeek Coder
    "<|END_OF_TURN_TOKEN|>",  # Command
    "<|END_RESPONSE|>",
    "<EOS_TOKEN>",
    "<|end_of_turn|>",  # OpenChat, Starling
    "<|endofturn|>",  # EXAONE, HyperCLOVA
    "[|endofturn|]",
    "<seed:eos>",  # Seed
)
"""The tokens, as their vocabularies write them."""


def without_end_tokens(text: str) -> str:
    """The text without the end tokens at its end and the space after them; a text without such tokens as it is.

    Takes time that grows with the length of the text, however many tokens there are.
    """
    kept = end = len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        token = next((token for token in END_TOKENS if text.endswith(token, 0, end)), None)
        if token is None:
            return text[:kept]
        kept = end = end - len(token)
