"""Builds a request of the OpenAI API: the path and the JSON body. Pure.

`replies` and `refusals` read replies and errors; `transport` sends bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from promptcot.records import Request, Sampling

STREAM_ABOVE = 4096
_ALWAYS = ("temperature", "top_p", "repetition_penalty")
_WHERE_SET = ("top_k", "min_p", "presence_penalty")
# A prompt that contains its model's start token must not get a second one; vLLM would add it.
_BEGINNINGS = ("<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>")


def path_of(request: Request) -> str:
    """The end of the URL for a request."""
    return "/chat/completions" if request.messages else "/completions"


def body(model: str, request: Request, omit: Collection[str] = (), extra: Mapping[str, Any] | None = None) -> Any:
    """The JSON body of a request, without the fields named in `omit`.

    The recipe's sampling settings are sent in full: a server would replace missing ones with its own defaults, as vLLM
    does with those of the model's `generation_config.json`. Fields that hosted models reject are sent only if they are
    set.
    """
    fields: dict[str, Any] = {"model": model}
    if request.messages:
        fields["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.messages]
    else:
        fields["prompt"] = request.prompt
        if request.prompt.startswith(_BEGINNINGS):
            fields["add_special_tokens"] = False
    fields |= {"max_tokens": request.sampling.max_tokens, "seed": request.seed, **_drawn(request.sampling)}
    if request.sampling.max_tokens > STREAM_ABOVE:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    fields |= extra or {}
    if not fields.get("stream") or "stream" in omit:
        fields.pop("stream_options", None)
    return {name: value for name, value in fields.items() if name not in omit}


def _drawn(sampling: Sampling) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(sampling, name) for name in _ALWAYS}
    fields |= {name: value for name in _WHERE_SET if (value := getattr(sampling, name)) is not None}
    return {**fields, "stop": list(sampling.stop)} if sampling.stop else fields


def needless(fields: Mapping[str, Any], refusal: str) -> set[str]:
    """The fields of a body that an error names and that have no effect, such as 1 for `top_p`.

    Without them, a server samples in the same way; hosted models lack `repetition_penalty`, and those that think often
    lack `top_p`.
    """
    return {name for name in ("top_p", "repetition_penalty") if fields.get(name) == 1 and name in refusal}
