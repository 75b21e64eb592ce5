"""The words of the OpenAI protocol for what is sent: the address and the body of a request.

Pure. What comes back is read in `replies` and `refusals`; how bytes travel is the affair of `transport`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptcot.records import Request

STREAM_ABOVE = 4096
# A prompt that holds its model's start token gets no second one; for vLLM, which would add it.
_BEGINNINGS = ("<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>")


def path_of(request: Request) -> str:
    """The end of the URL that answers a request."""
    return "/chat/completions" if request.messages else "/completions"


def body(model: str, request: Request, omit: Sequence[str] = (), extra: Mapping[str, Any] | None = None) -> Any:
    """The JSON body of a request. What has its neutral value is left out; so are the fields named in `omit`."""
    sampling = request.sampling
    fields: dict[str, Any] = {"model": model}
    if request.messages:
        fields["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.messages]
    else:
        fields["prompt"] = request.prompt
        if request.prompt.startswith(_BEGINNINGS):
            fields["add_special_tokens"] = False
    fields |= {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "seed": request.seed}
    if sampling.top_p != 1.0:
        fields["top_p"] = sampling.top_p
    if sampling.repetition_penalty != 1.0:
        fields["repetition_penalty"] = sampling.repetition_penalty
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    if sampling.max_tokens > STREAM_ABOVE:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    fields |= extra or {}
    if not fields.get("stream") or "stream" in omit:
        fields.pop("stream_options", None)
    return {name: value for name, value in fields.items() if name not in omit}
