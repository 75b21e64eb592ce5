"""Serves an engine of this process through the OpenAI API to other nodes of the cluster.

Implements only what our own client uses: whole replies, and errors that the client restores exactly. Calls without the
key are rejected.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

from aiohttp import web

from promptcot.engines.openai.refusals import error_body
from promptcot.engines.opening import Listen
from promptcot.engines.protocol import Engine
from promptcot.engines.vllm.server import free_port
from promptcot.engines.wrapper import Wrapper
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.records import Completion, Message, Request, Sampling
from promptcot.redaction import remember
from promptcot.storage.json import dumps, loads

_STATUS = {TransientError: 503, RequestRefused: 400}
_SAMPLING = {part.name for part in fields(Sampling)}


class EngineServer:
    """Serves an engine at `listen`, until it is stopped; then the engine is closed as well. Ends when the engine is
    unusable.

    Create and use it in one event loop.
    """

    def __init__(self, engine: Engine, listen: Listen) -> None:
        self._engine, self._listen = engine, listen
        remember(listen.key)
        self._key = f"Bearer {listen.key}".encode()
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True, keepalive_timeout=3600)
        self._listener: asyncio.Server | None = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self) -> list[str]:
        """Load the model and listen; returns the base URL. Raises EngineUnusable, InputError."""
        if isinstance(self._engine, Wrapper):
            await self._engine.inner()
        host = self._listen.host
        while self._listener is None:
            port = free_port(host, self._listen.ports)
            with suppress(OSError):  # another program took the port first
                self._listener = await asyncio.get_running_loop().create_server(self._server, host, port)
        host = f"[{host}]" if ":" in host else host
        return [f"http://{host}:{self._listener.sockets[0].getsockname()[1]}/v1"]

    async def ended(self) -> str:
        """Wait until the engine becomes unusable, and return why."""
        return await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Stop listening, drop the calls in flight, and close the engine."""
        if self._listener is not None:
            self._listener.close()
            await self._server.shutdown(0.1)
        await self._engine.close()
        self._end("it was stopped")

    def _end(self, words: str) -> None:
        if not self._ended.done():
            self._ended.set_result(words)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/health":
            return web.Response()
        key = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(key, self._key):
            return _json(401, {"error": {"message": "the key is missing or wrong", "code": "invalid_api_key"}})
        if request.path not in ("/v1/completions", "/v1/chat/completions") or request.method != "POST":
            return _json(404, {"error": {"message": f"{request.method} {request.path} is not served here"}})
        try:
            asked = read_request(loads(await request.content.read()))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _json(400, {"error": {"message": f"this call cannot be read: {error!r}"}})
        try:
            return _json(200, reply_of(await self._engine.complete(asked), chat=bool(asked.messages)))
        except EngineUnusable as error:  # unusable here, but perhaps not on another node
            self._end(str(error))
            return _json(503, error_body(TransientError(str(error), "server ended")))
        except EngineError as error:
            status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
            return _json(status, error_body(error))


def read_request(body: Mapping[str, Any]) -> Request:
    """The call in a body: the inverse of `requests.body`. Raises ValueError, TypeError, KeyError."""
    drawn = {name: body[name] for name in _SAMPLING & body.keys()}
    sampling = Sampling(**{**drawn, "stop": tuple(drawn.get("stop", ()))})
    messages = tuple(Message(turn["role"], turn["content"]) for turn in body.get("messages", ()))
    return Request(str(body.get("prompt", "")), messages, sampling, int(body["seed"]))


def reply_of(reply: Completion, *, chat: bool) -> dict[str, Any]:
    """The body of a reply: the inverse of `replies.gather`."""
    said = {"message": {"role": "assistant", "content": reply.text}} if chat else {"text": reply.text}
    counts = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
    return {"choices": [{**said, "index": 0, "finish_reason": reply.finish_reason}], "usage": counts}


def _json(status: int, body: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=dumps(body), content_type="application/json")
