"""A call whose reply may be too long is repeated once with a length that fits; limits of all calls are remembered."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from promptcot.errors import RequestRefused, TransientError
from promptcot.records import Message, Request, Sampling
from tests.unit.engines.http_servers import Handler, asking, plays, serving

CONTEXT, PROMPT = 4096, 96
GOOD = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}


def asked(limit: int = 4096) -> Request:
    return Request(messages=(Message("user", "2 + 2?"),), sampling=Sampling(max_tokens=limit))


def refuses(words: Callable[[int], str | None], seen: list[int], name: str = "max_tokens") -> Handler:
    """A server that says `words` about the number of tokens that it is asked for; None lets it answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if request.path.endswith("/tokenize"):
            return web.json_response({"count": PROMPT, "max_model_len": CONTEXT, "tokens": [1] * PROMPT})
        seen.append(body.get(name, 0))
        said = words(body.get(name, 0))
        return web.json_response(GOOD if said is None else {"error": {"message": said}}, status=400 if said else 200)

    return handle


def context(tokens: int) -> str | None:
    return (
        f"This model's maximum context length is {CONTEXT} tokens. However, you requested {tokens} output tokens "
        f"and your prompt contains {PROMPT} input tokens"
        if tokens + PROMPT > CONTEXT
        else None
    )


def at_least(tokens: int) -> str | None:
    """vLLM counts no further than the first token that is too many."""
    return (
        f"This model's maximum context length is {CONTEXT} tokens. However, you requested {tokens} output tokens "
        f"and your prompt contains at least {CONTEXT - tokens + 1} input tokens"
        if tokens + PROMPT > CONTEXT
        else None
    )


def most(tokens: int) -> str | None:
    return None if tokens <= 1000 else "Invalid max_tokens value, the valid range of max_tokens is [1, 1000]"


def most_and_context(tokens: int) -> str | None:
    return (
        f"max_tokens={tokens} cannot be greater than max_model_len={CONTEXT}." if tokens > CONTEXT else context(tokens)
    )


def never(tokens: int) -> str:
    return "Invalid max_tokens value, the valid range of max_tokens is [1, 1000]"


@pytest.mark.parametrize(
    ("words", "limit", "calls"),
    [
        (context, 4096, [4096, 4000, 4096, 4000]),
        (context, 4000, [4000, 4000]),
        (at_least, 4096, [4096, 4000, 4096, 4000]),
        (most, 4096, [4096, 1000, 1000]),
        (most_and_context, 9000, [9000, 4096, 4000, 4096, 4000]),
    ],
)
async def test_two_calls_are_made_with_what_fits(words: Any, limit: int, calls: list[int]) -> None:
    seen: list[int] = []
    async with serving(refuses(words, seen)) as root, asking(f"{root}/v1") as engine:
        for _ in range(2):
            assert (await engine.complete(asked(limit))).text == "4"
    assert seen == calls


async def test_a_refusal_within_a_stream_is_met_in_the_same_way() -> None:
    seen: list[int] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append((await request.json())["max_tokens"])
        said = context(seen[-1])
        event = {"error": {"message": said, "code": 400}} if said else {"choices": GOOD["choices"]}
        return web.Response(text=f"data: {json.dumps(event)}\n\n", content_type="text/event-stream")

    async with serving(handle) as root, asking(f"{root}/v1") as engine:
        assert (await engine.complete(asked(9000))).text == "4"
    assert seen == [9000, 4000]


async def test_what_one_prompt_leaves_is_not_kept_in_mind_for_others() -> None:
    seen: list[int] = []

    def words(tokens: int) -> str | None:
        return "max_tokens exceeds the remaining context of 812 tokens" if len(seen) == 1 else None

    async with serving(refuses(words, seen)) as root, asking(f"{root}/v1") as engine:
        for _ in range(2):
            await engine.complete(asked(4096))
    assert seen == [4096, 812, 4096]


async def test_a_server_that_refuses_once_more_is_believed() -> None:
    seen: list[int] = []
    async with serving(refuses(never, seen)) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(RequestRefused) as caught:
            await engine.complete(asked())
    assert (caught.value.cause, seen) == ("over-long", [4096, 1000])


async def test_the_limit_may_have_another_name() -> None:
    seen: list[int] = []
    options = {"omit": ["max_tokens"], "extra_body": {"max_completion_tokens": 4096}}
    async with serving(refuses(most, seen, "max_completion_tokens")) as root, asking(f"{root}/v1", **options) as engine:
        assert (await engine.complete(asked())).text == "4"
    assert seen == [4096, 1000]


async def test_a_prompt_that_fills_the_context_is_refused() -> None:
    said = f"This model's maximum context length is {CONTEXT} tokens. However, your request has 5000 input tokens."
    seen: list[int] = []
    async with serving(refuses(lambda _: said, seen)) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(RequestRefused, match="5000 input tokens"):
            await engine.complete(asked())
    assert seen == [4096]


async def test_a_stream_without_end_is_that_calls_failure() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(
                b"data: " + json.dumps({"choices": [{"delta": {"content": "z" * 1000}}]}).encode() + b"\n\n"
            )

    async with serving(endless) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(TransientError) as caught:
            await engine.complete(asked(8192))
    assert caught.value.cause == "too-large"


async def test_a_small_body_that_unpacks_to_a_large_one_is_that_calls_failure() -> None:
    bomb = gzip.compress(b'{"choices":"' + bytes(1 << 26))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with serving(plays(web.Response(body=bomb, headers=headers))) as root, asking(f"{root}/v1") as engine:
        for limit in (10, 8192):
            with pytest.raises(TransientError) as caught:
                await engine.complete(asked(limit))
            assert caught.value.cause == "too-large"
