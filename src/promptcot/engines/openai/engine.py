"""The engine for OpenAI-compatible servers: vLLM, SGLang, llama.cpp, TGI, Ollama, and hosted models.

This module is the interface of the engine: a request becomes a body (`requests`), passes the limits (`admission`) and
is sent (`transport`); the reply becomes a completion (`replies`). With several base URLs, the least busy one gets the
call. aiohttp was chosen by measurement: it costs 0.5 ms of CPU per request, the official client 2 to 4, httpx 10.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.engines.openai.admission import Admission
from promptcot.engines.openai.diagnosis import advice, key_hint
from promptcot.engines.openai.limits import Room, room_left
from promptcot.engines.openai.pace import Call
from promptcot.engines.openai.payload import Garbled
from promptcot.engines.openai.replies import before_stops
from promptcot.engines.openai.requests import body, needless, path_of
from promptcot.engines.openai.transport import Transport
from promptcot.errors import LIMITED, EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Request, Score
from promptcot.redaction import without_secret_causes
from promptcot.storage.json import dumps

_TEXTS_AT_ONCE = 32
_FIRST, _MOST = 16, 1024
_LIMITS = ("max_tokens", "max_completion_tokens")
_SMALLER = 2  # repetitions with a lower max_tokens: for the limit of any reply, and for the rest of the context
_CHATS_ONLY = (
    "The server has the model but accepts no raw prompts: use its chat format, with --use-chat-template, or "
    "chat = true in a recipe"
)
_KEY_WORKED = (
    "The key worked until now: it has expired or was revoked. Run the same command again "
    "with a valid key; finished calls "
    "are kept"
)
_TURNED_AWAY = {LIMITED, "http 503", "http 529", "timeout", "queue"}


@dataclass(frozen=True)
class OwnServers:
    """Servers that a run has started itself: their model, their key, and the number of concurrent calls from the start.
    They have their own queues and no other clients. With `has_time` a reply has no time limit, like an engine of this
    process.
    """

    name: str
    key: str = field(default="", repr=False)
    most: int = _MOST
    has_time: bool = False

    @property
    def shown(self) -> str:
        """Their name in errors; their addresses differ from run to run."""
        return f"the server of {self.name}"


class OpenAIEngine:
    """An engine over one model behind the base URLs of `spec` (usually ending in `/v1`).

    Calls are journaled under the name of the model. `spec.omit` names fields that the server does not accept,
    `spec.extra_body` adds fields to every request (and, being part of the request, to the journal's name). The number
    of calls in flight adapts between 16 and 1,024, see `Admission`, except for servers of our `own`.
    """

    def __init__(self, model: str, spec: Served, own: OwnServers | None = None) -> None:
        key = own.key if own else os.environ.get(spec.api_key_env, "").strip()
        self.transport = Transport(spec.base_url, key, spec.idle_timeout, own.shown if own else None)
        self.transport.has_time = own is not None and own.has_time
        self.transport.queue_timeout = spec.queue_timeout
        self.served_model = model
        self._key_hint = key_hint(spec.api_key_env, key)
        self._name = model + variant(spec.extra_body, spec.omit)
        limits = (None, None) if own else (spec.requests_per_minute, spec.tokens_per_minute)
        self._admission = Admission(own.most if own else _MOST, own.most if own else _FIRST, *limits)
        self._omit, self._extra = tuple(spec.omit), spec.extra_body
        self._unknown: set[str] = set()
        self._most_tokens: int | None = None

    @property
    def note(self) -> str:
        """A message about the server during the run; usually empty."""
        rate = self._admission.pace.rate
        if rate is None:
            return ""
        minute = max(1, round(60 * rate))
        return (
            f"{self.served_model}: the server rejects calls; it accepts about {minute:,} a minute "
            f"(--requests-per-minute {minute} sets this rate from the start)"
        )

    @property
    def model(self) -> str:
        """The model's name, and `#` with a hash of `extra_body` if there is one. The same behind any URL."""
        return self._name

    async def complete(self, request: Request) -> Completion:
        """The model's completion. Raises TransientError, RequestRefused or EngineUnusable.

        If `max_tokens` exceeds the remaining context or the model's output limit, and the server reports that limit,
        the call is repeated with the limit: `max_tokens` is a maximum, not a requirement. An output limit is remembered
        for later calls.
        """
        fields = body(self.served_model, request, {*self._omit, *self._unknown}, self._extra)
        limit = request.sampling.max_tokens
        expected = _tokens_of(request)
        async with self._admission.call(expected) as call:
            try:
                reply = await self._known(request, fields, limit)
            except TransientError as error:
                _note(call, error)
                call.unused = expected if call.turned_away else 0
                raise
            except EngineUnusable as error:
                raise await self._explained(error, raw=not request.messages) from error
            call.tokens = reply.completion_tokens
            call.unused = max(0, limit - reply.completion_tokens) if reply.completion_tokens is not None else 0
            return reply

    async def _known(self, request: Request, fields: dict[str, Any], limit: int) -> Completion:
        """The reply to a body with fields that the server accepts; a rejected field that is not needed is omitted from
        then on.
        """
        try:
            return await self._fitting(request, fields, limit)
        except (EngineUnusable, RequestRefused) as refused:
            unknown = needless(fields, str(refused).partition("\n")[0])
            if not unknown:
                raise
        known = {name: value for name, value in fields.items() if name not in unknown}
        reply = await self._known(request, known, limit)
        self._unknown |= unknown
        return reply

    async def _fitting(self, request: Request, fields: dict[str, Any], limit: int) -> Completion:
        name = next((name for name in _LIMITS if isinstance(fields.get(name), int)), None)
        if name is None:
            return await self._reply(request, fields, limit)
        limit = fields[name] if self._most_tokens is None else min(fields[name], self._most_tokens)
        for _ in range(_SMALLER):
            try:
                return await self._reply(request, fields | {name: limit}, limit)
            except RequestRefused as refused:
                room = room_left(str(refused))
                if room is None or not 0 < room.tokens < limit:
                    raise
                limit = await self._tokens_left(request, room, limit)
                if room.always:
                    self._most_tokens = limit
        return await self._reply(request, fields | {name: limit}, limit)

    async def _tokens_left(self, request: Request, room: Room, limit: int) -> int:
        """The number of tokens to request now.

        vLLM stops counting a prompt at the first token too many, so each attempt would seem to leave one token less
        than requested. Its `/tokenize` counts to the end.
        """
        if room.context is None or room.tokens < limit - 1:
            return room.tokens
        said = {"messages": [{"role": turn.role, "content": turn.content} for turn in request.messages]}
        fields = {"model": self.served_model, **(said if request.messages else {"prompt": request.prompt})}
        try:
            count = (await self.transport.post("/tokenize", fields))["count"]
        except (EngineError, KeyError):
            return room.tokens
        left = room.context - count if isinstance(count, int) else room.tokens
        return left if 0 < left < room.tokens else room.tokens

    async def _reply(self, request: Request, fields: dict[str, Any], limit: int) -> Completion:
        try:
            gathered = await self.transport.reply(path_of(request), fields, limit)
            reply = before_stops(gathered.completion(limit), request.sampling.stop)
        except EngineError as error:
            without_secret_causes(error)
            raise
        text = self.transport.secrets.without(reply.text)
        return reply if text == reply.text else replace(reply, text=text)

    async def score(self, prompt: str, continuation: str) -> Score:
        """The log-probability of the continuation's tokens after the prompt's; the two are tokenized separately.

        Needs vLLM's `/tokenize` and `prompt_logprobs`. Raises EngineUnusable if the server lacks them.
        """
        before, after = await asyncio.gather(self._tokens(prompt, True), self._tokens(continuation, False))
        fields = {
            "model": self.served_model,
            "prompt": before + after,
            "max_tokens": 1,
            "temperature": 0.0,
            "prompt_logprobs": 0,
        }
        reply = await self._post("/completions", fields, len(before) + len(after))
        try:
            entries = reply["choices"][0]["prompt_logprobs"][len(before) :]
            logs = [entry[str(token)]["logprob"] for entry, token in zip(entries, after, strict=True)]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise EngineUnusable(
                f"{self.served_model}: the server gives no prompt_logprobs, so it cannot score a text; vLLM can",
                "no-scoring",
            ) from error
        return Score(float(sum(logs)), len(logs))

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Array (texts, dim), in requests of 32 texts."""
        parts = [texts[first : first + _TEXTS_AT_ONCE] for first in range(0, len(texts), _TEXTS_AT_ONCE)]
        return np.concatenate(await asyncio.gather(*map(self._embed, parts)))

    async def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        fields = {"model": self.served_model, "input": list(texts), "encoding_format": "float", **self._extra}
        fields = {name: value for name, value in fields.items() if name not in self._omit}
        reply = await self._post("/embeddings", fields, 0)
        try:
            rows = sorted(reply["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise Garbled(f"the reply has no embeddings that can be read: {error!r}", "garbled") from error
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise Garbled(f"{len(texts)} texts were sent, but {len(vectors)} vectors came back", "garbled")
        return vectors

    async def _tokens(self, text: str, is_prompt: bool) -> list[int]:
        fields = {"model": self.served_model, "prompt": text, "add_special_tokens": is_prompt}
        reply = await self._post("/tokenize", fields, 0)
        try:
            return [int(token) for token in reply["tokens"]]
        except (KeyError, TypeError, ValueError) as error:
            raise EngineUnusable(f"{self.served_model}: the server's /tokenize is not vLLM's", "no-scoring") from error

    async def _post(self, path: str, fields: Mapping[str, Any], tokens: int) -> dict[str, Any]:
        async with self._admission.call(tokens) as call:
            try:
                return await self.transport.post(path, fields)
            except TransientError as error:
                _note(call, error)
                without_secret_causes(error)
                raise
            except EngineUnusable as error:
                without_secret_causes(error)
                raise await self._explained(error) from error.__cause__

    async def _explained(self, error: EngineUnusable, raw: bool = False) -> EngineError:
        """The error, with the diagnosis of the server."""
        if error.cause in {"unauthorised", "forbidden"}:
            worked = any(server.proven for server in self.transport.servers)
            hint = f"\n{_KEY_WORKED}" if worked else ""
            return EngineUnusable(f"{error}{hint}\n{self._key_hint}", error.cause)
        if error.cause not in {"not-found", "not-a-server", "unknown-model"}:
            return error
        hints = [await advice(self.transport.get, server.url, self.served_model) for server in self.transport.servers]
        if raw and not any(hints) and error.cause == "not-found":
            hints = [_CHATS_ONLY]
        return EngineUnusable("\n".join(dict.fromkeys([str(error), *filter(None, hints)])), error.cause)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()


def _note(call: Call, error: TransientError) -> None:
    """Learn about the server's limits from a failed call."""
    call.turned_away, call.limited = error.cause in _TURNED_AWAY, error.cause == LIMITED
    call.wait = error.retry_after


def _tokens_of(request: Request) -> int:
    """The approximate tokens of a call: four characters per token, and its maximum completion."""
    characters = len(request.prompt) + sum(len(turn.content) for turn in request.messages)
    return characters // 4 + request.sampling.max_tokens


def variant(extra_body: Mapping[str, Any], omit: Sequence[str] = ()) -> str:
    """The suffix for the name of a model that is always called with, or without, these fields."""
    if not (extra_body or omit):
        return ""
    asked = [dict(extra_body), sorted(set(omit) - {"stream_options"})]
    return f"#{hashlib.blake2b(dumps(asked), digest_size=4).hexdigest()}"
