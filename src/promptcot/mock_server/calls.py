"""Parses and checks a client's call, one of three kinds, and computes its key.

The key excludes the length of the reply and how it is sent, so a truncated reply is a prefix of the reply with a larger
`max_tokens`, and a stream has the same text as a whole reply. It also makes no difference whether a neutral value is
sent or left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from promptcot.mock_server.replies import count_tokens, split_tokens, token_id

Endpoint = Literal["completions", "chat/completions", "embeddings"]

_NOT_IN_KEY = ("stream", "stream_options", "max_tokens", "max_completion_tokens")
_NEUTRAL = {"top_p": 1, "repetition_penalty": 1, "presence_penalty": 0, "min_p": 0, "top_k": -1}
_BOUNDS = {
    "temperature": (0, float("inf")),
    "top_p": (0, 1),
    "top_k": (-1, float("inf")),
    "min_p": (0, 1),
    "presence_penalty": (-2, 2),
}
_DEFAULT_COMPLETION = 16
"""The default tokens of a raw completion, a known trap of the protocol."""


class Refused(Exception):
    """A client error: the status, and the fields of the error in the body."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code = status, message, kind, code


@dataclass(frozen=True, slots=True)
class Prompt:
    """The input of a model: text, or token ids, whose text then is their numbers."""

    text: str
    ids: tuple[int, ...] | None = None

    @property
    def tokens(self) -> int:
        return count_tokens(self.text) if self.ids is None else len(self.ids)

    def split(self) -> tuple[list[int], list[str]]:
        """The ids and the texts of its tokens."""
        if self.ids is not None:
            return list(self.ids), [f"<{number}>" for number in self.ids]
        tokens = split_tokens(self.text)
        return [token_id(token) for token in tokens], tokens


@dataclass(frozen=True, slots=True)
class Call:
    """A checked call. `max_tokens` is None if only the context bounds the reply; `key` has 16 bytes."""

    endpoint: Endpoint
    model: str
    key: bytes
    prompts: tuple[Prompt, ...]
    max_tokens: int | None
    stop: tuple[str, ...]
    n: int
    stream: bool
    include_usage: bool
    prompt_logprobs: bool
    base64: bool

    @property
    def prompt_tokens(self) -> int:
        return sum(prompt.tokens for prompt in self.prompts)


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request's body. Raises Refused."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "the body should be a JSON object")
    return body


def read_call(endpoint: Endpoint, raw: bytes, models: Sequence[str], context: int | None) -> Call:
    """The call in a request's body. Raises Refused where it is malformed, over-long or for an unknown model."""
    body = read_object(raw)
    model = body.get("model")
    if not isinstance(model, str):
        raise Refused(400, "`model` should be a string")
    if model not in models:
        raise Refused(404, f"The model `{model}` does not exist.", code="model_not_found")
    _check_sampling(body)
    call = Call(
        endpoint=endpoint,
        model=model,
        key=_key(endpoint, body),
        prompts=read_prompts(endpoint, body),
        max_tokens=_max_tokens(endpoint, body),
        stop=_stop(body.get("stop")),
        n=_count(body, "n") or 1,
        stream=bool(body.get("stream")),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        prompt_logprobs=body.get("prompt_logprobs") is not None,
        base64=body.get("encoding_format") == "base64",
    )
    if context is not None:
        _check_context(call, context)
    if call.stream and call.prompt_logprobs:
        raise Refused(400, "`prompt_logprobs` are not available when `stream=True`.")
    return call


def read_prompts(endpoint: Endpoint, body: Mapping[str, Any]) -> tuple[Prompt, ...]:
    """The prompts of a call; a chat is one prompt. Raises Refused."""
    if endpoint == "chat/completions":
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refused(400, "`messages` should be a list of at least one message")
        return (Prompt("\n".join(map(_turn, messages))),)
    name = "prompt" if endpoint == "completions" else "input"
    value = body.get(name)
    several = value if isinstance(value, list) and value and not isinstance(value[0], int) else [value]
    return tuple(_prompt(name, item) for item in several)


def _prompt(name: str, value: object) -> Prompt:
    if isinstance(value, str):
        return Prompt(value)
    if isinstance(value, list) and value and all(type(number) is int for number in value):
        return Prompt(" ".join(map(str, value)), tuple(value))
    raise Refused(400, f"`{name}` should be a string, a list of token ids, or a list of such")


def _turn(message: object) -> str:
    content = message.get("content") if isinstance(message, dict) and isinstance(message.get("role"), str) else None
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise Refused(400, "a message should have a `role` and a `content`")
    return content


def _key(endpoint: Endpoint, body: Mapping[str, Any]) -> bytes:
    told = {name: value for name, value in body.items() if name not in _NOT_IN_KEY}
    known_by = {name: value for name, value in told.items() if name not in _NEUTRAL or value != _NEUTRAL[name]}
    text = orjson.dumps(known_by, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16, key=endpoint.encode()).digest()


def _check_sampling(body: Mapping[str, Any]) -> None:
    for name, (least, most) in _BOUNDS.items():
        value = body.get(name)
        if value is not None and not (isinstance(value, int | float) and least <= value <= most):
            raise Refused(400, f"`{name}` should be a number from {least} to {most}, not {value!r}")


def _max_tokens(endpoint: Endpoint, body: Mapping[str, Any]) -> int | None:
    value = _count(body, "max_completion_tokens") or _count(body, "max_tokens")
    return _DEFAULT_COMPLETION if value is None and endpoint == "completions" else value


def _count(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise Refused(400, f"`{name}` should be at least 1, not {value!r}")
    return value


def _stop(value: object) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    return tuple(word for word in words if isinstance(word, str) and word)


def _check_context(call: Call, context: int) -> None:
    """Prompt and completion must fit together; a completion of unknown length needs room for one token."""
    output = 0 if call.endpoint == "embeddings" else call.max_tokens or 1
    for prompt in call.prompts:
        if prompt.tokens + output > context:
            limit = f"This model's maximum context length is {context} tokens."
            asked = f"you requested {output} output tokens and your prompt contains {prompt.tokens} input tokens."
            raise Refused(400, f"{limit} However, {asked}", "BadRequestError", "context_length_exceeded")
