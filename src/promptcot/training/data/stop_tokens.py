"""Finds the tokens at which a trained model must stop when it is served.

A model of the Hub lists them in its generation config, its tokenizer names one more, and a chat template ends a turn
with a token that may be neither (`<|eot_id|>` beside `<|end_of_text|>`).
"""

from __future__ import annotations

from typing import Any

from promptcot.errors import InputError
from promptcot.training.data import chat


def end_ids(generation_config: Any, tokenizer: Any) -> list[int]:
    """The end tokens, sorted: of the generation config, the tokenizer, and the tokenizer's template."""
    named = generation_config.eos_token_id
    ids = {named} if isinstance(named, int) else set(named or ())
    return sorted(ids | ({tokenizer.eos_token_id, turn_end(tokenizer)} - {None}))


def turn_end(tokenizer: Any) -> int | None:
    """The special token that the chat template writes after an answer; None if there is none."""
    try:
        words = chat.end_of_turn(tokenizer).lstrip() if tokenizer.chat_template else ""
    except InputError:
        return None
    ids = tokenizer(words, add_special_tokens=False).input_ids if words else []
    known = tokenizer.added_tokens_decoder
    return int(ids[0]) if ids and ids[0] in known and known[ids[0]].special else None
