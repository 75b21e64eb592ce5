"""Reads a server's token limit from its error message.

Servers report one of two limits: the context length with the length of the prompt, or the maximum for any reply. The
tables below hold their phrases; tests/cases/refusals.jsonl holds the expected values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_N = r"[`'\"(]*(\d{1,3}(?:,\d{3})+(?!\d)|\d{1,12})"
_FIELD = r"[`'\"]?(?:max_(?:completion_|output_|new_)?tokens|maxOutputTokens)[`'\"]?"

_OF_MODEL = r"(?: for [`'\"]?[\w./:-]+[`'\"]?)?"


def _patterns(*words: str) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in words]


# The context length.
_CONTEXT = _patterns(
    rf"maximum context (?:length|limit|window|size) (?:is|of) {_N}",  # vLLM, OpenAI, DeepSeek, SGLang, OpenRouter
    rf"context (?:length|window) is only {_N}",  # vLLM 0.16
    rf"`?inputs`? tokens \+ `?max_new_tokens`? must be <= {_N}",  # TGI, Together
    rf"with {_N} maximum context length",  # Mistral
    rf"exceed context limit: \d+ \+ \d+ > {_N}",  # Anthropic
)
# The part of it that the prompt takes.
_PROMPT = _patterns(
    rf"(?:has|contains|passed)(?: at least| about)? {_N} input tokens",  # vLLM since 0.9
    rf"{_N} tokens from the input",  # SGLang
    rf"{_N} `?inputs`? tokens",  # TGI
    rf"exceed context limit: {_N} \+",  # Anthropic
    rf"\({_N} (?:in|of) ",  # vLLM before, OpenAI, OpenRouter
)
# The same as a difference, where a prompt has several parts: "(90 in the messages, 6 in the functions, 4000 in …".
_TOTAL = _patterns(rf"requested (?:about |a total of )?{_N} tokens")
_ASKED = _patterns(rf"{_N} (?:in|for) the (?:completion|output)")
# The maximum for any reply.
_MOST = _patterns(
    rf"cannot be greater than max_model_len={_N}",  # vLLM
    rf"range of {_FIELD} (?:is|should be) \[\d+, ?{_N}\]",  # DeepSeek, DashScope
    rf"supports at most {_N} (?:completion|output) tokens",  # OpenAI, Azure
    rf"{_FIELD}{_OF_MODEL}[^.;\d]{{0,80}}?(?:less than or equal to|(?:not|cannot) exceed|<=|≤) {_N}",  # Groq, TGI
    rf"{_FIELD}{_OF_MODEL}[^.;\d]{{0,80}}?(?:at most|no more than) {_N}",
    rf"{_FIELD}: ?\d+ > {_N}",  # Anthropic
    rf"{_FIELD}[^.;]{{0,40}}? exceeds [^.;\d]{{0,60}}?{_N}",  # Ollama
    rf"{_FIELD}: integer above maximum value\. Expected a value <= {_N}",  # OpenAI
    rf"{_FIELD}[^;\d]{{0,60}}?(?:between|\bin\b|range:?) ?\[?1(?:, ?| ?- ?| to | and ){_N}",
    rf"(?:maximum|largest)(?: allowed)? value (?:of|for) {_FIELD}(?: is|:) {_N}",
    rf"{_FIELD}[^.;\d]{{0,20}}\d*\)? (?:is|was) (?:greater|larger|higher|more) than [^.;\d]{{0,60}}?{_N}",
    rf"maximum tokens you requested exceeds the model limit of {_N}",  # Bedrock
)
# The maximum for this reply, because its prompt takes the rest.
_OF_PROMPT = re.compile(r"\b(?:prompts?|inputs?(?! should| validation)|remain\w*|available|left)\b", re.IGNORECASE)
_LESS_THAN = _patterns(
    rf"{_FIELD}.{{0,80}}?range is from 1 \(inclusive\) to {_N} \(exclusive\)",  # Gemini
    rf"{_FIELD}[^.;\d]{{0,80}}?less than {_N}",
)


@dataclass(frozen=True, slots=True)
class Room:
    """The maximum number of tokens of a reply. `context` is the length shared by prompt and reply, if the server names
    it; `always` if the number holds for every call, whatever its prompt.
    """

    tokens: int
    context: int | None = None
    always: bool = False


def room_left(words: str) -> Room | None:
    """The limit that an error message reports; None if it reports none, or if there is no room at all."""
    context, total, asked = _first(_CONTEXT, words), _first(_TOTAL, words), _first(_ASKED, words)
    prompt = total - asked if total and asked and total > asked else _first(_PROMPT, words)
    if context and prompt:
        return Room(context - prompt, context) if context > prompt else None
    if (most := _first(_MOST, words)) is None and (above := _first(_LESS_THAN, words)) is not None:
        most = above - 1
    return Room(most, always=_OF_PROMPT.search(words) is None) if most else None


def _first(patterns: Sequence[re.Pattern[str]], words: str) -> int | None:
    found = next((match for pattern in patterns if (match := pattern.search(words))), None)
    return int(found[1].replace(",", "")) if found else None
