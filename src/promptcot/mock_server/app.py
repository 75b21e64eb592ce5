"""The server itself: authentication, the order in which a call is processed, and the form of each fault.

It uses aiohttp's low-level server without a router, because a benchmark's client shares its processors. A call counts
as answered when its last byte was handed to the network; a client that disconnects cancels its call.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import math
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import orjson
from aiohttp import web

from promptcot.errors import InputError
from promptcot.mock_server import bodies
from promptcot.mock_server.bodies import Choice
from promptcot.mock_server.calls import Call, Endpoint, Prompt, Refused, read_call, read_object, read_prompts
from promptcot.mock_server.faults import fault_of, latency_of, retry_after
from promptcot.mock_server.ledger import Ledger
from promptcot.mock_server.options import Fault, MockOptions
from promptcot.mock_server.replies import Voice, contest_labels, prompt_logprobs, vector

_CALLS: dict[str, Endpoint] = {
    "/v1/completions": "completions",
    "/v1/chat/completions": "chat/completions",
    "/v1/embeddings": "embeddings",
}
_PORTIONS = 10
"""The number of chunks of a stream with latency."""
_OVER_LONG = 200_000
_BACKLOG = 4096
_HTML = b"<!DOCTYPE html>\n<html><head><title>Gateway</title></head><body><h1>Please sign in</h1></body></html>\n"

_TOO_MANY = Refused(429, "Too many requests: ask again later.", "rate_limit_error", "rate_limit_exceeded")
_OVERLOADED = Refused(503, "The server is overloaded or starting.", "server_error", "overloaded")
_AFTER_WORK: dict[Fault, Refused] = {
    "500": Refused(500, "The server had an error while it worked on the call.", "server_error", "internal_error"),
    "over_long_error": Refused(400, "This request cannot be used: " + "x" * _OVER_LONG),
}


class MockServer:
    """A server in this process, running between `start` and `stop`, or inside `async with`.

    Raises InputError if it cannot listen at the requested address.
    """

    def __init__(self, options: MockOptions | None = None) -> None:
        self.options = options or MockOptions()
        self._ledger = Ledger(self.options.ledger)
        self._voice = Voice(self.options.seed, self.options.reply_tokens)
        self._key = f"Bearer {self.options.api_key}" if self.options.api_key is not None else None
        self._pages: dict[str, Callable[[], bytes]] = {
            "/health": lambda: b"",
            "/stats": lambda: orjson.dumps(self.stats()),
            "/v1/models": lambda: bodies.models(self.options.models, self.options.context),
        }
        self._port = self.options.port
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def root(self) -> str:
        """The address without `/v1`: http://HOST:PORT."""
        host = self.options.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"{self.root}/v1"

    def stats(self) -> dict[str, Any]:
        """The counts so far, as `/stats` gives them (see `Ledger.stats`)."""
        return self._ledger.stats()

    async def start(self) -> None:
        """Listen. Raises InputError if the port is in use or the host is not one of this machine's."""
        contest_labels()
        options = self.options
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True, keepalive_timeout=3600)
        try:
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(self._server, options.host, options.port, backlog=_BACKLOG)
        except (OSError, UnicodeError) as error:  # a host name that is too long or malformed
            raise InputError(_cannot_listen(options, error)) from error
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop the calls in flight."""
        if self._listener is not None and self._server is not None:
            self._listener.close()
            await self._server.shutdown(0.05)
            await self._listener.wait_closed()

    async def __aenter__(self) -> MockServer:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        endpoint = _CALLS.get(path)
        try:
            if self._key is not None and path.startswith("/v1") and request.headers.get("Authorization") != self._key:
                raise Refused(401, "The API key is missing or wrong.", "authentication_error", "invalid_api_key")
            if endpoint is not None and request.method == "POST":
                return await self._counted(request, endpoint)
            if path == "/tokenize" and request.method == "POST":
                return _json(200, self._tokenized(await request.content.read()))
            if path in self._pages and request.method == "GET":
                return _json(200, self._pages[path]())
        except Refused as refused:
            self._ledger.others[str(refused.status)] += 1
            return _refused(refused)
        except ConnectionError:
            return web.Response()  # the client has disconnected, which is not an error of the server
        known = endpoint is not None or path == "/tokenize" or path in self._pages
        self._ledger.others["wrong address"] += 1
        return _json(405 if known else 404, b'{"detail":"Method Not Allowed"}' if known else b'{"detail":"Not Found"}')

    async def _counted(self, request: web.BaseRequest, endpoint: Endpoint) -> web.StreamResponse:
        self._ledger.arrive()
        try:
            raw = await request.content.read()
            limit = self.options.concurrency_limit
            if limit is not None and self._ledger.in_flight > limit:
                self._ledger.others["over the limit"] += 1
                return _busy(self.options.retry_after)
            call = read_call(endpoint, raw, self.options.models, self.options.context)
            return await self._met_or_answered(request, call)
        finally:
            self._ledger.leave()

    async def _met_or_answered(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        met = self._ledger.met(call.key)
        latency = latency_of(self.options, call.key, met)
        fault = fault_of(self.options, call.key, met)
        if fault is not None:
            self._ledger.meet(call.key, fault)
        if fault == "429":
            return _busy(retry_after(self.options, call.key, met))
        if fault == "503":
            return _refused(_OVERLOADED)
        if fault is None or fault == "refusal":
            return await self._answer(request, call, latency, fault == "refusal")
        if latency:
            await asyncio.sleep(latency)
        return await self._fail(request, call, fault)

    async def _answer(self, request: web.BaseRequest, call: Call, latency: float, refuses: bool) -> web.StreamResponse:
        try:
            if call.stream and call.endpoint != "embeddings":
                response = await _stream(request, list(bodies.events(call, self._choices(call, refuses))), latency)
            else:
                if latency:
                    await asyncio.sleep(latency)
                response = _json(200, self._whole_reply(call, refuses))
                await response.prepare(request)
            await response.write_eof()
        except (asyncio.CancelledError, ConnectionError):
            self._ledger.others["client left"] += 1
            raise
        self._ledger.answer(call.key)
        return response

    def _whole_reply(self, call: Call, refuses: bool = False) -> bytes:
        if call.endpoint == "embeddings":
            seed, dimensions = self.options.seed, self.options.dimensions
            return bodies.vectors(call, [vector(seed, call.model, prompt.text, dimensions) for prompt in call.prompts])
        return bodies.whole(call, self._choices(call, refuses))

    def _choices(self, call: Call, refuses: bool) -> list[Choice]:
        if refuses:
            return [Choice("", "content_filter") for _ in range(len(call.prompts) * call.n)]
        return [
            self._choice(call, prompt, _choice_key(call.key, place * call.n + sample))
            for place, prompt in enumerate(call.prompts)
            for sample in range(call.n)
        ]

    def _choice(self, call: Call, prompt: Prompt, key: bytes) -> Choice:
        room = None if self.options.context is None else self.options.context - prompt.tokens
        choice = bodies.cut(self._voice.reply(prompt.text, key), call, room)
        if call.prompt_logprobs:
            choice.prompt_logprobs = prompt_logprobs(self.options.seed, call.model, *prompt.split())
        return choice

    async def _fail(self, request: web.BaseRequest, call: Call, fault: Fault) -> web.StreamResponse:
        """The faults that occur after some processing."""
        if fault in _AFTER_WORK:
            return _refused(_AFTER_WORK[fault])
        if fault == "html":
            return web.Response(body=_HTML, content_type="text/html")
        if call.stream and call.endpoint != "embeddings":
            return await _break_stream(request, list(bodies.events(call, self._choices(call, False))), fault)
        if fault == "reset":
            await _reset(request)
        body = self._whole_reply(call)
        half = body[: len(body) // 2]
        if fault == "truncated_json":
            return _json(200, half)
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(half)
        return await _wait_for_ever()

    def _tokenized(self, raw: bytes) -> bytes:
        body = read_object(raw)
        [prompt] = read_prompts("chat/completions" if "messages" in body else "completions", body)[:1]
        ids, tokens = prompt.split()
        strings = tokens if body.get("return_token_strs") else None
        answer = {"count": len(ids), "max_model_len": self.options.context, "tokens": ids, "token_strs": strings}
        return orjson.dumps(answer)


def _choice_key(key: bytes, index: int) -> bytes:
    return hashlib.blake2b(key + b"%d" % index, digest_size=16).digest() if index else key


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json"})


def _refused(refused: Refused) -> web.Response:
    return _json(refused.status, bodies.error(refused))


def _busy(seconds: float | None) -> web.Response:
    response = _refused(_TOO_MANY)
    if seconds is not None:
        response.headers["Retry-After"] = f"{seconds:g}"
    return response


async def _stream(request: web.BaseRequest, events: Sequence[bytes], latency: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    step = math.ceil(len(events) / _PORTIONS) if latency else len(events)
    for start in range(0, len(events), step):
        if latency:
            await asyncio.sleep(latency / _PORTIONS)
        await response.write(b"".join(events[start : start + step]))
    return response


async def _break_stream(request: web.BaseRequest, events: Sequence[bytes], fault: Fault) -> web.StreamResponse:
    """Half of the events, and then a reset, silence, or half an event and the end."""
    response = await _stream(request, events[: len(events) // 2], 0)
    if fault == "reset":
        await asyncio.sleep(0.01)  # a reset overtakes what is not yet sent
        await _reset(request)
    if fault == "stall":
        await _wait_for_ever()
    event = events[len(events) // 2]
    await response.write(event[: len(event) // 2])
    return response


async def _reset(request: web.BaseRequest) -> NoReturn:
    """Closes and discards unsent data, so that the client sees a reset and not an end."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    await _wait_for_ever()


async def _wait_for_ever() -> NoReturn:
    """Ends when the client goes away, or the server: either cancels the handler."""
    while True:
        await asyncio.sleep(3600)


def _cannot_listen(options: MockOptions, error: OSError | UnicodeError) -> str:
    where = f"mock server: cannot listen at {options.host}, port {options.port}"
    if isinstance(error, UnicodeError):
        return f"mock server: {options.host!a} is not a host name"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is in use. Take another one, or any free one: promptcot mock-server --port 0"
    return f"{where}: {error.strerror or error}"
