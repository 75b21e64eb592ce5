"""An engine behind our own server gives our client exactly the same replies as without a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from promptcot.engines.openai.engine import OpenAIEngine, OwnServers
from promptcot.engines.openai.requests import body
from promptcot.engines.openai.serving import EngineServer, read_request
from promptcot.engines.opening import Listen
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Message, Request, Sampling

KEY = "the key of the run"

REQUESTS = [
    Request("Design a problem.", seed=5),
    Request("p", sampling=Sampling(0.0, 0.9, 1.1, 17, ("END", "\n\n")), seed=2**31 - 1),
    Request("q", sampling=Sampling(top_k=20, min_p=0.05, presence_penalty=-0.5), seed=9),
    Request("long", sampling=Sampling(max_tokens=16_384), seed=1),
    Request("half a pair \ud83d", seed=3),
    Request(messages=(Message("system", "s"), Message("user", "ü"), Message("assistant", "a")), seed=4),
]


async def served(engine: ScriptedEngine, request: Request, key: str = KEY) -> Completion:
    """The reply that comes over HTTP."""
    server = EngineServer(engine, Listen("127.0.0.1", KEY, Path(), "m"))
    client = OpenAIEngine("m", Served(omit=["stream"]), OwnServers("m", key))
    try:
        client.transport.serve(await server.start())
        return await client.complete(request)
    finally:
        await client.close()
        await server.stop()


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_arrives_as_it_was_asked(request_: Request) -> None:
    found = read_request(body("m", request_, ["stream"]))
    assert (found.prompt, found.messages, found.sampling, found.seed) == (
        request_.prompt,
        request_.messages,
        request_.sampling,
        request_.seed,
    )


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    "reply",
    [
        Completion("text", "stop", 3, 2),
        Completion("cut off", "length", None, None),
        Completion("no more", "content_filter", 3, 0),
        Completion("half a pair \ud83d", "stop", 1, 1),
        Completion("", "stop", 1, 0),
    ],
)
def test_a_reply_comes_back_as_it_was_given(request_: Request, reply: Completion) -> None:
    assert asyncio.run(served(ScriptedEngine(lambda _: reply), request_)) == reply


@pytest.mark.parametrize(
    "error",
    [
        TransientError("busy with others", "busy", 2.5),
        TransientError("away", "away"),
        RequestRefused("5000 tokens are needed, and the context is 1024", "over-long"),
        RequestRefused("the model does not exist, says the prompt", "malformed"),
    ],
)
def test_an_error_comes_back_word_for_word(error: EngineError) -> None:
    with pytest.raises(type(error)) as caught:
        asyncio.run(served(ScriptedEngine(lambda _: error), REQUESTS[0]))
    assert (str(caught.value), caught.value.cause) == (str(error), error.cause)
    assert getattr(caught.value, "retry_after", None) == getattr(error, "retry_after", None)


def test_a_server_whose_engine_is_unusable_ends_and_its_calls_may_be_made_elsewhere() -> None:
    async def ask() -> str:
        engine = ScriptedEngine(lambda _: EngineUnusable("the GPU has fallen off", "gpu"))
        server = EngineServer(engine, Listen("127.0.0.1", KEY, Path(), "m"))
        client = OpenAIEngine("m", Served(omit=["stream"]), OwnServers("m", KEY))
        client.transport.serve(await server.start())
        with pytest.raises(TransientError, match="the GPU has fallen off"):
            await client.complete(REQUESTS[0])
        await client.close()
        words = await server.ended()
        await server.stop()
        return words

    assert asyncio.run(ask()) == "the GPU has fallen off"


def test_whoever_has_another_key_is_turned_away_and_the_engine_is_not_asked() -> None:
    engine = ScriptedEngine(lambda _: "text")
    with pytest.raises(EngineUnusable) as caught:
        asyncio.run(served(engine, REQUESTS[0], key="another"))
    assert caught.value.cause == "unauthorised"
    assert engine.asked == 0


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("GET", "/health", b"", 200),
        ("GET", "/v1/completions", b"", 404),
        ("POST", "/v1/embeddings", b"{}", 404),
        ("POST", "/v1/completions", b"no JSON", 400),
        ("POST", "/v1/completions", b"[]", 400),
        ("POST", "/v1/completions", b'{"prompt": "no seed"}', 400),
        ("POST", "/v1/completions", b'{"seed": 1}', 400),
    ],
)
def test_what_is_no_call_is_answered_with_a_status(method: str, path: str, data: bytes, status: int) -> None:
    async def ask() -> int:
        server = EngineServer(ScriptedEngine(lambda _: "text"), Listen("127.0.0.1", KEY, Path(), "m"))
        [url] = await server.start()
        try:
            headers = {"Authorization": f"Bearer {KEY}"} if path != "/health" else {}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.request(method, url.removesuffix("/v1") + path, data=data) as response,
            ):
                return response.status
        finally:
            await server.stop()

    assert asyncio.run(ask()) == status
