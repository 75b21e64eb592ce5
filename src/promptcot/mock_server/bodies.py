"""The wire format of answers: whole bodies, events of a stream, errors.

The field `created` is always 0, so that the same call gets the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from promptcot.mock_server.calls import Call, Refused
from promptcot.mock_server.replies import TOKEN, count_tokens, split_tokens

DONE = b"data: [DONE]\n\n"
REFUSAL = "This mock server was told to refuse some calls, and refuses this one."

_HOLE = "\0"
"""The placeholder of the token in a template event; as JSON it cannot occur in the rest of the event."""


@dataclass(slots=True)
class Choice:
    """One reply. A refused one has no text."""

    text: str
    finish_reason: str
    prompt_logprobs: list[dict[str, Any] | None] | None = None

    @property
    def tokens(self) -> int:
        return count_tokens(self.text)

    @property
    def refused(self) -> bool:
        return self.finish_reason == "content_filter"


def cut(text: str, call: Call, room: int | None) -> Choice:
    """A reply truncated at its stop strings and `max_tokens`; `room` is the remaining context."""
    places = [place for word in call.stop if (place := text.find(word)) >= 0]
    text = text[: min(places)] if places else text
    limits = [limit for limit in (call.max_tokens, room) if limit is not None]
    if limits and count_tokens(text) > min(limits):
        return Choice(text[: min(limits) * TOKEN], "length")
    return Choice(text, "stop")


def usage(call: Call, choices: Sequence[Choice]) -> dict[str, int]:
    """The tokens that a call is charged for."""
    prompt, completion = call.prompt_tokens, sum(choice.tokens for choice in choices)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def whole(call: Call, choices: Sequence[Choice]) -> bytes:
    """The body of a reply that is sent at once."""
    shape = _chat_choice if call.endpoint == "chat/completions" else _raw_choice
    shaped = [shape(index, choice) for index, choice in enumerate(choices)]
    return orjson.dumps({**_head(call), "choices": shaped, "usage": usage(call, choices)})


def events(call: Call, choices: Sequence[Choice]) -> Iterator[bytes]:
    """The server-sent events of a reply, one for each token, then its end, the usage if requested, and [DONE]."""
    for index, choice in enumerate(choices):
        before, after = _event(call, index, _HOLE, None).split(orjson.dumps(_HOLE))
        for token in split_tokens(choice.text):
            yield before + orjson.dumps(token) + after
        yield _event(call, index, "", choice)
    if call.include_usage:
        yield b"data: " + orjson.dumps({**_head(call, True), "choices": [], "usage": usage(call, choices)}) + b"\n\n"
    yield DONE


def vectors(call: Call, rows: Sequence[NDArray[np.float32]]) -> bytes:
    """The body of an embeddings reply: lists of numbers, or base64 of little-endian float32."""
    written = [_base64(row) for row in rows] if call.base64 else rows
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(written)]
    tokens = {"prompt_tokens": call.prompt_tokens, "total_tokens": call.prompt_tokens}
    body = {"object": "list", "data": data, "model": call.model, "usage": tokens}
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def models(names: Sequence[str], context: int | None) -> bytes:
    """The body of the list of models."""
    each = {"object": "model", "created": 0, "owned_by": "promptcot", "max_model_len": context}
    return orjson.dumps({"object": "list", "data": [{"id": name, **each} for name in names]})


def error(refused: Refused) -> bytes:
    """The body of an error, in the protocol's form."""
    fields = {"message": refused.message, "type": refused.kind, "param": None, "code": refused.code}
    return orjson.dumps({"error": fields})


def _head(call: Call, streamed: bool = False) -> dict[str, Any]:
    chat = call.endpoint == "chat/completions"
    kind = ("chat.completion.chunk" if streamed else "chat.completion") if chat else "text_completion"
    name = f"{'chatcmpl' if chat else 'cmpl'}-{call.key.hex()}"
    return {"id": name, "object": kind, "created": 0, "model": call.model}


def _chat_choice(index: int, choice: Choice) -> dict[str, Any]:
    content, refusal = (None, REFUSAL) if choice.refused else (choice.text, None)
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}


def _raw_choice(index: int, choice: Choice) -> dict[str, Any]:
    shaped = {"index": index, "text": choice.text, "logprobs": None, "finish_reason": choice.finish_reason}
    return shaped if choice.prompt_logprobs is None else {**shaped, "prompt_logprobs": choice.prompt_logprobs}


def _event(call: Call, index: int, text: str, last: Choice | None) -> bytes:
    """One event of a choice; `last` is the choice itself when the event ends it."""
    choice: dict[str, Any] = {"index": index, "finish_reason": last.finish_reason if last else None}
    if call.endpoint == "chat/completions":
        choice["delta"] = {"refusal": REFUSAL} if last and last.refused else {"content": text}
    else:
        choice["text"] = text
    return b"data: " + orjson.dumps({**_head(call, True), "choices": [choice]}) + b"\n\n"


def _base64(row: NDArray[np.float32]) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()
