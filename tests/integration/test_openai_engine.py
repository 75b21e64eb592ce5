"""The HTTP engine against servers that we did not write: vLLM's on the CPU, and transformers'."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest

from promptcot import nano
from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.errors import EngineUnusable, RequestRefused
from promptcot.recipe.schema import Served
from promptcot.records import Message, Request, Sampling
from tests.integration.transformers_servers import serving
from tests.integration.vllm_servers import SERVED_NAME

pytestmark = pytest.mark.engines

PROMPT = "Level: AIME\nConcepts:\n1. prime factorization\n2. greatest common divisor\n"
GREEDY = Sampling(temperature=0.0, max_tokens=60)


@pytest.fixture
async def vllm(vllm_url: str) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAIEngine(SERVED_NAME, Served(base_url=[vllm_url], api_key_env=""))
    yield engine
    await engine.close()


async def test_a_greedy_reply_is_the_embedded_engines(vllm: OpenAIEngine) -> None:
    local = LocalEngine(nano.path("generator"))
    try:
        expected, reply = [await engine.complete(Request(PROMPT, sampling=GREEDY)) for engine in (local, vllm)]
    finally:
        await local.close()
    assert reply.text == expected.text
    assert (reply.finish_reason, reply.completion_tokens) == (expected.finish_reason, expected.completion_tokens)


async def test_a_seed_settles_the_reply_and_another_seed_gives_another_one(vllm: OpenAIEngine) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=40)
    one, same, other = [
        await vllm.complete(Request(PROMPT, sampling=sampling, seed=seed)) for seed in (7, 7, 2**31 - 1)
    ]
    assert one.text == same.text
    assert one.text != other.text


@pytest.mark.parametrize("asked", [Sampling(2.0, top_k=1), Sampling(2.0, min_p=1.0)], ids=["top_k", "min_p"])
async def test_of_the_one_likeliest_token_the_hottest_draw_is_greedy(vllm: OpenAIEngine, asked: Sampling) -> None:
    greedy = await vllm.complete(Request(PROMPT, sampling=GREEDY))
    assert await vllm.complete(Request(PROMPT, sampling=replace(asked, max_tokens=60), seed=3)) == greedy


async def test_penalties_and_stop_strings_do_what_they_do_in_the_embedded_engine(vllm: OpenAIEngine) -> None:
    local = LocalEngine(nano.path("generator"))
    plain = await local.complete(Request(PROMPT, sampling=GREEDY))
    several = [
        replace(GREEDY, presence_penalty=2.0),
        replace(GREEDY, presence_penalty=-2.0, repetition_penalty=1.2),
        replace(GREEDY, stop=(plain.text[20:24],)),
    ]
    try:
        for sampling in several:
            expected, reply = [await engine.complete(Request(PROMPT, sampling=sampling)) for engine in (local, vllm)]
            assert (reply.text, reply.finish_reason) == (expected.text, expected.finish_reason)
            assert reply.text != plain.text
    finally:
        await local.close()


async def test_a_streamed_reply_is_the_whole_one(vllm: OpenAIEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await vllm.complete(Request(PROMPT, sampling=GREEDY))
    monkeypatch.setattr("promptcot.engines.openai.requests.STREAM_ABOVE", 10)
    assert await vllm.complete(Request(PROMPT, sampling=GREEDY)) == whole


async def test_a_limit_beyond_the_context_is_cut_to_what_is_left(vllm: OpenAIEngine) -> None:
    reply = await vllm.complete(Request(PROMPT, sampling=Sampling(temperature=0.0, max_tokens=100_000)))
    assert reply.completion_tokens is not None
    assert 0 < reply.completion_tokens < 1000


async def test_a_prompt_longer_than_the_context_is_its_rows_own_fault(vllm: OpenAIEngine) -> None:
    with pytest.raises(RequestRefused) as refused:
        await vllm.complete(Request(PROMPT * 200, sampling=GREEDY))
    assert refused.value.cause == "over-long"


async def test_chat_goes_through_the_servers_template(vllm: OpenAIEngine) -> None:
    reply = await vllm.complete(Request(messages=(Message("user", PROMPT),), sampling=GREEDY))
    assert reply.text.strip()


async def test_a_continuation_is_scored_as_by_the_embedded_engine(vllm: OpenAIEngine) -> None:
    local = LocalEngine(nano.path("generator"))
    try:
        expected, score = [await engine.score(PROMPT, "Find the number of") for engine in (local, vllm)]
    finally:
        await local.close()
    assert score.tokens == expected.tokens
    assert score.log_prob == pytest.approx(expected.log_prob, abs=1e-2)


async def test_many_calls_at_a_time_are_all_answered(vllm: OpenAIEngine) -> None:
    requests = [Request(PROMPT, sampling=Sampling(max_tokens=20), seed=seed) for seed in range(100)]
    replies = await asyncio.gather(*map(vllm.complete, requests))
    assert len({reply.text for reply in replies}) > 50


async def test_an_unknown_model_is_told_with_the_models_there_are(vllm_url: str) -> None:
    engine = OpenAIEngine("nobody/nothing", Served(base_url=[vllm_url], api_key_env=""))
    with pytest.raises(EngineUnusable, match=f"it lists {SERVED_NAME}"):
        await engine.complete(Request(PROMPT, sampling=GREEDY))
    await engine.close()


async def test_a_url_without_v1_is_told_with_the_right_one(vllm_url: str) -> None:
    engine = OpenAIEngine(SERVED_NAME, Served(base_url=[vllm_url.removesuffix("/v1")], api_key_env=""))
    with pytest.raises(EngineUnusable, match=f"use --base-url {vllm_url}"):
        await engine.complete(Request(PROMPT, sampling=GREEDY))
    await engine.close()


@pytest.fixture(scope="module")
def transformers_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`transformers serve` on the nano solver: a second server, which shares no code with the first."""
    with serving(nano.path("solver"), tmp_path_factory.mktemp("transformers") / "serve.log") as url:
        yield url


@pytest.mark.parametrize("stream_above", [4096, 10])
async def test_transformers_serve_gives_the_embedded_engines_reply(
    transformers_url: str, stream_above: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptcot.engines.openai.requests.STREAM_ABOVE", stream_above)
    folder = nano.path("solver")
    prompt = "Determine the number of integers from 1 to 207 that are divisible by 4.\n"
    request = Request(prompt, sampling=Sampling(temperature=0.0, max_tokens=80))
    local = LocalEngine(folder)
    server = OpenAIEngine(str(folder), Served(base_url=[transformers_url], api_key_env=""))
    try:
        expected, reply = [await engine.complete(request) for engine in (local, server)]
    finally:
        await asyncio.gather(local.close(), server.close())
    assert reply.text.strip() == expected.text.strip()
    assert np.isclose(reply.completion_tokens or 0, expected.completion_tokens or 0, atol=1)
