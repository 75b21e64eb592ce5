"""The mock server over real connections: each endpoint and each fault as a raw client sees it."""

import asyncio
import base64
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import orjson
import pytest

from promptcot.errors import InputError
from promptcot.mock_server import FAULTS, MockOptions, MockServer
from tests.programs import PATIENCE, comes_true

RAW: dict[str, Any] = {"model": "mock", "prompt": "Write a problem.", "max_tokens": 1000, "temperature": 1.0, "seed": 7}
CHAT: dict[str, Any] = {
    "model": "mock",
    "messages": [{"role": "user", "content": "Put your answer within \\boxed{}."}],
    "seed": 7,
}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        yield session


async def ask(client: aiohttp.ClientSession, url: str, body: object, **headers: str) -> tuple[int, bytes]:
    async with client.post(url, data=orjson.dumps(body), headers=headers) as response:
        return response.status, await response.read()


async def asked(client: aiohttp.ClientSession, url: str, body: object) -> Any:
    status, raw = await ask(client, url, body)
    assert status == 200, raw
    return orjson.loads(raw)


@asynccontextmanager
async def answer(
    client: aiohttp.ClientSession, options: MockOptions, body: object
) -> AsyncIterator[tuple[MockServer, aiohttp.ClientResponse]]:
    """A server of its own for one raw completion, and the response once its headers are there."""
    async with (
        MockServer(options) as server,
        client.post(f"{server.url}/completions", data=orjson.dumps(body)) as response,
    ):
        yield server, response


async def collect(response: aiohttp.ClientResponse, into: bytearray, seconds: float = PATIENCE) -> None:
    """All bytes that come until the end, an error, or the time is over."""
    async with asyncio.timeout(seconds):
        async for piece in response.content.iter_any():
            into += piece


def events(raw: bytes) -> list[Any]:
    """The objects of a complete stream."""
    *sent, done, end = raw.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    return [orjson.loads(event.removeprefix(b"data: ")) for event in sent]


async def test_a_raw_completion_and_its_stream_say_the_same(client: aiohttp.ClientSession) -> None:
    async with MockServer() as server:
        whole = await asked(client, f"{server.url}/completions", RAW)
        status, raw = await ask(client, f"{server.url}/completions", {**RAW, **STREAM})
    [choice] = whole["choices"]
    *pieces, usage = events(raw)
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == choice["text"]
    assert [piece["choices"][0]["finish_reason"] for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert usage["usage"] == whole["usage"]
    assert whole["usage"]["completion_tokens"] == len(pieces) - 1
    assert "<!-- END PROBLEM -->" in choice["text"]
    assert status == 200


async def test_a_chat_and_its_stream_say_the_same(client: aiohttp.ClientSession) -> None:
    async with MockServer() as server:
        whole = await asked(client, f"{server.url}/chat/completions", CHAT)
        _, raw = await ask(client, f"{server.url}/chat/completions", {**CHAT, **STREAM})
    message = whole["choices"][0]["message"]
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in events(raw)[:-1]) == message["content"]
    assert message["content"].startswith("<think>")
    assert message["refusal"] is None


async def test_a_reply_that_was_cut_off_is_the_beginning_of_the_whole_one(client: aiohttp.ClientSession) -> None:
    async with MockServer() as server:
        whole = await asked(client, f"{server.url}/completions", RAW)
        short = await asked(client, f"{server.url}/completions", {**RAW, "max_tokens": 10})
    assert short["choices"][0]["finish_reason"] == "length"
    assert short["usage"]["completion_tokens"] == 10
    assert whole["choices"][0]["text"].startswith(short["choices"][0]["text"])
    assert len(short["choices"][0]["text"]) == 40


async def test_several_prompts_and_several_samples_are_as_many_choices(client: aiohttp.ClientSession) -> None:
    async with MockServer() as server:
        reply = await asked(client, f"{server.url}/completions", {**RAW, "prompt": ["one", "two"], "n": 2})
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
    assert len({choice["text"] for choice in reply["choices"]}) == 4


async def test_prompt_logprobs_agree_with_the_tokens_of_the_prompt(client: aiohttp.ClientSession) -> None:
    async with MockServer() as server:
        tokens = await asked(client, f"{server.root}/tokenize", {"model": "mock", "prompt": RAW["prompt"]})
        body = {**RAW, "max_tokens": 1, "prompt_logprobs": 1}
        by_text = await asked(client, f"{server.url}/completions", body)
        by_ids = await asked(client, f"{server.url}/completions", {**body, "prompt": tokens["tokens"]})
    first, *others = by_text["choices"][0]["prompt_logprobs"]
    assert first is None
    assert [next(iter(entry)) for entry in others] == [str(number) for number in tokens["tokens"][1:]]
    assert by_text["usage"]["prompt_tokens"] == tokens["count"] == len(others) + 1
    own = [[entry[str(number)]["logprob"] for entry, number in zip(scored, tokens["tokens"][1:], strict=True)]
           for scored in (others, by_ids["choices"][0]["prompt_logprobs"][1:])]  # fmt: skip
    assert own[0] == own[1]


async def test_vectors_are_the_same_as_numbers_and_in_base64(client: aiohttp.ClientSession) -> None:
    body = {"model": "mock", "input": ["primes", "gcd"]}
    async with MockServer(MockOptions(dimensions=8)) as server:
        plain = await asked(client, f"{server.url}/embeddings", body)
        packed = await asked(client, f"{server.url}/embeddings", {**body, "encoding_format": "base64"})
    rows = np.array([item["embedding"] for item in plain["data"]], dtype=np.float32)
    unpacked = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in packed["data"]]
    assert rows.shape == (2, 8)
    assert np.array_equal(rows, np.array(unpacked))
    assert not np.array_equal(rows[0], rows[1])


async def test_models_and_health_are_told(client: aiohttp.ClientSession) -> None:
    async with MockServer(MockOptions(models=("a", "b"), context=99)) as server:
        async with client.get(f"{server.url}/models") as response:
            listed = await response.json()
        async with client.get(f"{server.root}/health") as response:
            assert response.status == 200
    assert [(item["id"], item["max_model_len"]) for item in listed["data"]] == [("a", 99), ("b", 99)]


async def test_a_restarted_server_sends_the_same_bytes_and_another_seed_other_ones(
    client: aiohttp.ClientSession,
) -> None:
    calls = [("completions", RAW), ("chat/completions", CHAT), ("completions", {**RAW, **STREAM}),
             ("embeddings", {"model": "mock", "input": "primes"})]  # fmt: skip
    sent = []
    for seed in (1, 1, 2):
        async with MockServer(MockOptions(seed=seed)) as server:
            sent.append([(await ask(client, f"{server.url}/{path}", body))[1] for path, body in calls])
    assert sent[0] == sent[1]
    assert not set(sent[0]) & set(sent[2])


@pytest.mark.parametrize(
    ("path", "body", "key", "status", "words"),
    [
        ("/v1/completions", RAW, "wrong", 401, "invalid_api_key"),
        ("/v1/completions", {**RAW, "model": "gpt"}, "secret", 404, "model_not_found"),
        ("/v1/completions", {**RAW, "max_tokens": 60}, "secret", 400, "maximum context length is 62 tokens"),
        ("/v1/completions", {"model": "mock"}, "secret", 400, "`prompt`"),
        ("/completions", RAW, "secret", 404, "Not Found"),
        ("/v1/models", {}, "secret", 405, "Method Not Allowed"),
    ],
)
async def test_a_mistake_of_the_client_is_told(
    client: aiohttp.ClientSession, path: str, body: object, key: str, status: int, words: str
) -> None:
    async with MockServer(MockOptions(api_key="secret", context=62)) as server:
        got, raw = await ask(client, server.root + path, body, Authorization=f"Bearer {key}")
        ok, _ = await ask(client, f"{server.url}/completions", {**RAW, "max_tokens": 9}, Authorization="Bearer secret")
    assert (got, ok) == (status, 200)
    assert words in raw.decode()


@pytest.mark.parametrize(("retry_after", "header"), [(1.5, "1.5"), (None, None)])
async def test_a_429_has_a_retry_after_or_none(
    client: aiohttp.ClientSession, retry_after: float | None, header: str | None
) -> None:
    async with answer(client, MockOptions(rate_429=1, retry_after=retry_after), RAW) as (_, response):
        assert response.status == 429
        assert response.headers.get("Retry-After") == header
        assert (await response.json())["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("fault", ["500", "503", "over_long_error"])
async def test_an_error_of_the_server_has_its_status_and_a_json_body(client: aiohttp.ClientSession, fault: str) -> None:
    async with MockServer(MockOptions(**{f"rate_{fault}": 1})) as server:
        status, raw = await ask(client, f"{server.url}/completions", RAW)
    message = orjson.loads(raw)["error"]["message"]
    assert status == {"500": 500, "503": 503, "over_long_error": 400}[fault]
    assert (len(message) >= 200_000) == (fault == "over_long_error")


@pytest.mark.parametrize("extra", [{}, STREAM])
async def test_html_comes_with_status_200(client: aiohttp.ClientSession, extra: dict[str, Any]) -> None:
    async with answer(client, MockOptions(rate_html=1), {**RAW, **extra}) as (_, response):
        assert (response.status, response.content_type) == (200, "text/html")
        assert (await response.read()).startswith(b"<!DOCTYPE html>")


async def test_truncated_json_is_half_a_body(client: aiohttp.ClientSession) -> None:
    async with MockServer(MockOptions(rate_truncated_json=1)) as server:
        status, raw = await ask(client, f"{server.url}/completions", RAW)
        _, streamed = await ask(client, f"{server.url}/completions", {**RAW, **STREAM})
    assert status == 200
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(raw)
    assert b"[DONE]" not in streamed
    assert not streamed.endswith(b"\n\n")
    assert streamed.count(b"data: ") > 10


async def test_a_reset_comes_before_the_reply(client: aiohttp.ClientSession) -> None:
    async with MockServer(MockOptions(rate_reset=1)) as server:
        with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
            await ask(client, f"{server.url}/completions", RAW)


async def test_a_reset_comes_in_the_middle_of_a_stream(client: aiohttp.ClientSession) -> None:
    got = bytearray()
    async with answer(client, MockOptions(rate_reset=1), {**RAW, **STREAM}) as (_, response):
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ClientPayloadError)):
            await collect(response, got)
    assert got.count(b"data: ") > 10
    assert b"[DONE]" not in got


@pytest.mark.parametrize("extra", [{}, STREAM])
async def test_a_stall_sends_something_and_then_nothing(client: aiohttp.ClientSession, extra: dict[str, Any]) -> None:
    got = bytearray()
    async with answer(client, MockOptions(rate_stall=1), {**RAW, **extra}) as (server, response):
        while len(got) <= 100:
            got += await response.content.readany()
        with pytest.raises(TimeoutError):
            await collect(response, got, seconds=0.3)
        assert server.stats()["in_flight"] == 1
        response.close()
        await comes_true(lambda: not server.stats()["in_flight"])
        stats = server.stats()
    assert (stats["answered"], stats["others"]) == (0, {"stall": 1})


async def test_a_refusal_has_its_own_finish_reason_and_no_text(client: aiohttp.ClientSession) -> None:
    async with MockServer(MockOptions(rate_refusal=1)) as server:
        chat = await asked(client, f"{server.url}/chat/completions", CHAT)
        raw = await asked(client, f"{server.url}/completions", RAW)
        _, streamed = await ask(client, f"{server.url}/chat/completions", {**CHAT, **STREAM})
    assert chat["choices"][0]["finish_reason"] == raw["choices"][0]["finish_reason"] == "content_filter"
    assert chat["choices"][0]["message"]["content"] is None
    assert chat["choices"][0]["message"]["refusal"] == events(streamed)[0]["choices"][0]["delta"]["refusal"]
    assert raw["choices"][0]["text"] == ""


async def stories_of_calls(client: aiohttp.ClientSession, options: MockOptions) -> tuple[list[list[object]], Any]:
    """What 40 calls meet until each is answered, and the counts; resets, stalls and half bodies show as words."""
    few = asyncio.Semaphore(8)

    async def story(server: MockServer, number: int) -> list[object]:
        async with few:
            return [step async for step in _until_answered(client, server, number)]

    async with MockServer(options) as server:
        stories = await asyncio.gather(*(story(server, number) for number in range(40)))
        return stories, server.stats()


async def _until_answered(client: aiohttp.ClientSession, server: MockServer, number: int) -> AsyncIterator[object]:
    while True:
        try:
            async with asyncio.timeout(3):  # a stall: nothing else takes a hundredth of it
                status, raw = await ask(client, f"{server.url}/completions", {**RAW, "seed": number})
        except (aiohttp.ClientError, TimeoutError) as error:
            yield type(error).__name__
            continue
        try:
            yield status, orjson.loads(raw)["choices"][0]["text"]
            return
        except (orjson.JSONDecodeError, KeyError):
            yield status


async def test_a_run_meets_the_same_faults_when_it_is_repeated(client: aiohttp.ClientSession) -> None:
    options = MockOptions(**{f"rate_{fault}": 0.08 for fault in FAULTS if fault != "refusal"}, seed=5)
    first, stats = await stories_of_calls(client, options)
    again, _ = await stories_of_calls(client, options)
    assert first == again
    assert set(stats["others"]) == set(FAULTS) - {"refusal"}
    assert (stats["answered"], stats["distinct_answered"]) == (40, 40)
    assert stats["requests"] == 40 + sum(stats["others"].values())


async def test_calls_above_the_limit_are_told_to_come_later(client: aiohttp.ClientSession) -> None:
    async with MockServer(MockOptions(concurrency_limit=3, latency=2)) as server:
        replies = await asyncio.gather(*[ask(client, f"{server.url}/completions", RAW) for _ in range(8)])
        stats = server.stats()
    assert sorted(status for status, _ in replies) == [200] * 3 + [429] * 5
    assert stats["others"] == {"over the limit": 5}
    assert (stats["answered"], stats["answered_again"]) == (3, 2)


async def test_latency_is_waited_for_and_a_client_that_leaves_is_no_answer(client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    async with MockServer(MockOptions(latency=0.3)) as server:
        for extra in ({}, STREAM):
            start = loop.time()
            await ask(client, f"{server.url}/completions", {**RAW, **extra})
            assert loop.time() - start >= 0.29
        assert server.stats()["answered"] == 2
    async with MockServer(MockOptions(latency=600)) as server:
        leaving = asyncio.create_task(ask(client, f"{server.url}/completions", RAW))
        await comes_true(lambda: server.stats()["in_flight"])
        leaving.cancel()
        await comes_true(lambda: not server.stats()["in_flight"])
        stats = server.stats()
    assert (stats["answered"], stats["others"]) == (0, {"client left": 1})


@pytest.mark.parametrize("options", [MockOptions(), MockOptions(rate_500=1), MockOptions(rate_stall=1)])
@pytest.mark.parametrize("extra", [{}, STREAM])
async def test_clients_that_reset_their_connections_leave_no_traceback(
    caplog: pytest.LogCaptureFixture, options: MockOptions, extra: dict[str, Any]
) -> None:
    body = orjson.dumps({**RAW, **extra})
    head = b"POST /v1/completions HTTP/1.1\r\nHost: mock\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with MockServer(options) as server:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", int(server.root.rpartition(":")[2]))
            writer.write((head + body) * 20)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await asyncio.sleep(0.002)
            writer.transport.abort()
        await comes_true(lambda: server.stats()["requests"] and not server.stats()["in_flight"])
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_stopped_server_leaves_no_call_hanging(client: aiohttp.ClientSession) -> None:
    async with MockServer(MockOptions(latency=600)) as server:
        waiting = asyncio.create_task(ask(client, f"{server.url}/completions", RAW))
        await comes_true(lambda: server.stats()["in_flight"])
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(waiting, PATIENCE)


async def test_a_port_in_use_is_told_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port}: the port is in use.*--port 0"):
            await MockServer(MockOptions(port=port)).start()
