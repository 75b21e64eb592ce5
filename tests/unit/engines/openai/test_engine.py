"""The HTTP engine against servers in this process: valid answers, disconnects, wrong content and HTML errors."""

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from promptcot.engines.openai.engine import OpenAIEngine, variant
from promptcot.errors import EngineUnusable, RequestRefused, TransientError
from promptcot.mock_server import MockOptions, MockServer
from promptcot.records import Completion, Message, Request, Sampling
from tests.unit.engines.http_servers import ASK, GOOD, SECRET, Handler, asking, html, plays, served, serving

LONG = Request(messages=(Message("user", "Think."),), sampling=Sampling(max_tokens=5000))


def streams(*pieces: bytes, then: str = "end") -> Handler:
    """A stream in exactly these pieces; `then` is `end`, `reset` or `silence`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.003)  # each piece on its own
        if then == "silence":
            await asyncio.sleep(60)
        if then == "reset" and request.transport is not None:
            request.transport.abort()
        return response

    return handle


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def said(text: str, finish: str | None = None) -> bytes:
    return event(choices=[{"delta": {"content": text}, "finish_reason": finish}])


async def test_a_reply_with_its_tokens() -> None:
    async with serving(plays(GOOD)) as root, asking(f"{root}/v1") as engine:
        assert await engine.complete(ASK) == Completion("4", "stop", 6, 1)


async def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None, Any]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, request.headers.get("Authorization"), await request.json()))
        return web.json_response(GOOD)

    monkeypatch.setenv("MY_KEY", f"{SECRET}\n")  # as `export MY_KEY="$(...)"` in some files leaves it
    async with serving(handle) as root, asking(f"{root}/v1", api_key_env="MY_KEY", omit=["seed"]) as engine:
        await engine.complete(Request(prompt="lone \ud800 half", sampling=Sampling(max_tokens=10)))
    [(path, key, sent)] = seen
    assert (path, key, sent["prompt"]) == ("/v1/completions", f"Bearer {SECRET}", "lone \ud800 half")
    assert "seed" not in sent


STREAMS: list[tuple[str, Sequence[bytes]]] = [
    ("an event per piece", [said("Grüße "), said("∑"), said("", "stop"), b"data: [DONE]\n\n"]),
    ("all in one piece", [said("Grüße ") + said("∑") + said("", "stop") + b"data: [DONE]\n\n"]),
    ("each byte alone", [bytes([byte]) for byte in said("Grüße ∑", "stop")]),
    ("CRLF", [(said("Grüße ") + said("∑", "stop") + b"data: [DONE]\n\n").replace(b"\n", b"\r\n")]),
    ("comments and names", [b": ping\n\n", b"event: x\nid: 1\n", said("Grüße ∑", "stop"), b": bye\n\n"]),
    ("no space", [said("Grüße ∑", "stop").replace(b"data: ", b"data:")]),
    ("no [DONE]", [said("Grüße ∑", "stop")]),
    ("usage apart", [said("Grüße ∑", "stop"), event(choices=[], usage={"completion_tokens": 5}), b"data: [DONE]\n\n"]),
    ("what comes after [DONE]", [said("Grüße ∑", "stop"), b"data: [DONE]\n\n", said("more")]),
]


@pytest.mark.parametrize("pieces", [case[1] for case in STREAMS], ids=[case[0] for case in STREAMS])
async def test_streams_that_are_replies(pieces: Sequence[bytes]) -> None:
    async with serving(streams(*pieces)) as root, asking(f"{root}/v1") as engine:
        reply = await engine.complete(LONG)
    assert (reply.text, reply.finish_reason) == ("Grüße ∑", "stop")


BROKEN: list[tuple[str, Handler]] = [
    ("ends without a finish_reason", streams(said("half"))),
    ("interrupted", streams(said("half", "insufficient_system_resource"), b"data: [DONE]\n\n")),
    ("ends at once", streams()),
    ("reset", streams(said("half"), then="reset")),
    ("reset with the end in sight", streams(said("whole", "stop"), then="reset")),
    ("silence", streams(said("half"), then="silence")),
    ("half an event and the end", streams(said("half"), b'data: {"choices": [{"del')),
    ("an event that is no JSON", streams(b"data: oops\n\n", said("x", "stop"))),
    ("an event that is no object", streams(b"data: 3\n\n", said("x", "stop"))),
    ("JSON that was cut", plays(web.Response(text='{"choices": [{"te', content_type="application/json"))),
    ("an error in the stream", streams(said("half"), event(error={"message": "engine died", "code": 500}))),
]


@pytest.mark.parametrize("handler", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_a_reply_that_breaks_off_is_asked_again_even_at_the_first_call(handler: Handler) -> None:
    async with serving(handler) as root, asking(f"{root}/v1", idle_timeout=0.1) as engine:
        with pytest.raises(TransientError):
            await engine.complete(LONG)


async def test_a_server_that_does_not_stream_may_answer_in_one_piece() -> None:
    whole = {"choices": [{"message": {"content": "done"}, "finish_reason": "stop"}]}
    async with serving(plays(whole)) as root, asking(f"{root}/v1") as engine:
        assert (await engine.complete(LONG)).text == "done"


@pytest.mark.parametrize("request_", [ASK, LONG], ids=["whole", "streamed"])
async def test_html_at_the_first_call_stops_everything_with_advice(request_: Request) -> None:
    async with serving(plays(html())) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(EngineUnusable, match="does not look like an OpenAI-compatible server") as caught:
            await engine.complete(request_)
    assert "Please sign in" in str(caught.value)


async def test_html_later_is_the_moments_fault() -> None:
    async with serving(plays(GOOD, html(), GOOD)) as root, asking(f"{root}/v1") as engine:
        await engine.complete(ASK)
        with pytest.raises(TransientError):
            await engine.complete(ASK)
        assert (await engine.complete(ASK)).text == "4"


async def test_a_url_without_v1_is_told_the_right_one() -> None:
    async with MockServer(MockOptions(models=("m",))) as server, asking(server.root) as engine:
        with pytest.raises(EngineUnusable, match="lacks /v1") as caught:
            await engine.complete(ASK)
    assert f"--base-url {server.url} " in str(caught.value)


async def test_an_unknown_model_is_told_the_known_ones() -> None:
    async with MockServer(MockOptions(models=("llama", "qwen"))) as server, asking(server.url, model="lama") as engine:
        with pytest.raises(EngineUnusable, match=r"no model 'lama'; it lists llama, qwen"):
            await engine.complete(ASK)


@pytest.mark.parametrize("models", ['{"data": ["video"]}', '{"data": 3}', "[]", '{"data": [null]}', "<html>"])
async def test_a_strange_list_of_models_does_no_harm(models: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(text=models)
        return web.json_response({"detail": "Not Found"}, status=404)

    async with serving(handle) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(EngineUnusable, match="404"):
            await engine.complete(ASK)


@pytest.mark.parametrize(
    ("listed", "words"), [("m", "accepts no raw prompts: use its chat format"), ("other", "it lists other")]
)
async def test_where_only_chats_are_taken_a_raw_prompt_is_told_so(listed: str, words: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response({"data": [{"id": listed}]})
        return web.json_response({"detail": "Not Found"}, status=404)

    async with serving(handle) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(EngineUnusable, match=words):
            await engine.complete(ASK)


async def test_a_wrong_key_names_its_variable_and_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": f"bad key {request.headers['Authorization']}"}}, status=401)

    monkeypatch.setenv("MY_KEY", SECRET)
    async with serving(echo) as root, asking(f"{root}/v1", api_key_env="MY_KEY") as engine:
        with pytest.raises(EngineUnusable, match=r"environment variable MY_KEY$") as caught:
            await engine.complete(ASK)
        assert SECRET not in str(caught.value)
        assert SECRET not in repr(vars(engine)["_name"])


async def test_a_key_that_is_not_set_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    options = MockOptions(models=("m",), api_key="x")
    async with MockServer(options) as server, asking(server.url, api_key_env="MY_KEY") as engine:
        with pytest.raises(EngineUnusable, match="MY_KEY, which is not set"):
            await engine.complete(ASK)


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[ssl.SSLContext]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command to make a certificate with")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *words, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def test_a_self_signed_certificate_stops_with_the_way_out(certificate: ssl.SSLContext) -> None:
    async with serving(plays(GOOD), context=certificate) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(EngineUnusable, match="SSL_CERT_FILE") as caught:
            await engine.complete(ASK)
    assert caught.value.cause == "certificate"


async def test_nobody_there_stops_at_the_first_call_and_later_is_the_moments_fault() -> None:
    async with asking("http://127.0.0.1:1/v1") as engine:
        with pytest.raises(EngineUnusable, match=r"nothing answers at http://127\.0\.0\.1:1/v1") as first:
            await engine.complete(ASK)
    assert first.value.cause == "no-server"
    server = MockServer(MockOptions(models=("m",)))
    await server.start()
    async with asking(server.url) as engine:
        await engine.complete(ASK)
        await server.stop()
        for _ in range(3):
            with pytest.raises(TransientError) as later:
                await engine.complete(ASK)
            assert later.value.cause == "connection"


@pytest.mark.parametrize("url", ["http://", "http://exa mple/v1", "http://[::1/v1", "http://127.0.0.1:99999/v1"])
async def test_an_address_that_is_none_stops(url: str) -> None:
    with pytest.raises(EngineUnusable):
        async with asking(url) as engine:
            await engine.complete(ASK)


async def test_an_error_without_end_is_read_in_part() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with serving(endless) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(RequestRefused) as caught:
            await asyncio.wait_for(engine.complete(ASK), 5)
    assert len(str(caught.value)) < 700


async def test_several_servers_share_the_load() -> None:
    async with MockServer(MockOptions(models=("m",), latency=0.01)) as a, MockServer(a.options) as b:
        async with asking(a.url, b.url) as engine:
            await asyncio.gather(*(engine.complete(Request(prompt=f"p{n}")) for n in range(100)))
        counts = [server.stats()["answered"] for server in (a, b)]
    assert sum(counts) == 100
    assert min(counts) >= 30


async def test_a_server_that_dies_is_avoided() -> None:
    options = MockOptions(models=("m",))
    async with MockServer(options) as good, MockServer(options) as dying, asking(dying.url, good.url) as engine:
        await asyncio.gather(*(engine.complete(Request(prompt=f"p{n}")) for n in range(10)))
        assert all(server.proven for server in engine.transport.servers)
        await dying.stop()
        calls = [engine.complete(Request(prompt=f"q{number}")) for number in range(20)]
        results = [(await asyncio.gather(call, return_exceptions=True))[0] for call in calls]
    lost = [result for result in results if not isinstance(result, Completion)]
    assert len(lost) <= 2
    assert all(isinstance(error, TransientError) for error in lost)


async def test_embeddings_come_in_the_order_of_the_texts_whatever_the_server_does() -> None:
    async def shuffled(request: web.Request) -> web.StreamResponse:
        texts = (await request.json())["input"]
        rows = [{"index": place, "embedding": [float(text), 1.0]} for place, text in enumerate(texts)]
        return web.json_response({"data": rows[::-1]})

    async with serving(shuffled) as root, asking(f"{root}/v1") as engine:
        vectors = await engine.embed([str(n) for n in range(70)])
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == list(range(70))


BAD_VECTORS: list[dict[str, Any]] = [
    {},
    {"data": []},
    {"data": [{"index": 0, "embedding": [1.0]}]},
    {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
    {"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]},
    {"data": [None, None]},
]


@pytest.mark.parametrize("answer", BAD_VECTORS, ids=str)
async def test_embeddings_that_cannot_be_read_are_asked_again(answer: dict[str, Any]) -> None:
    async with serving(plays(answer)) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(TransientError):
            await engine.embed(["a", "b"])


async def test_embeddings_that_are_turned_away_close_the_gate() -> None:
    busy = web.Response(status=429, text="{}")
    async with serving(plays(busy)) as root, asking(f"{root}/v1") as engine:
        for _ in range(2):
            with pytest.raises(TransientError):
                await engine.embed(["a"])
        assert engine._admission.pace.closed


async def test_scores_where_the_server_has_them_and_a_clear_word_where_not() -> None:
    async with MockServer(MockOptions(models=("m",))) as server, asking(server.url) as engine:
        score = await engine.score("a prompt", " and what follows")
        assert score.tokens > 0
        assert score.log_prob < 0
    async with serving(plays({"tokens": [1, 2]}, {"tokens": [3]}, GOOD)) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(EngineUnusable, match="no prompt_logprobs"):
            await engine.score("a", "b")


def test_fields_for_every_request_are_part_of_the_name() -> None:
    url = "http://127.0.0.1:1/v1"
    plain, low = OpenAIEngine("m", served(url)), OpenAIEngine("m", served(url, extra_body={"top_k": 1}))
    assert plain.model == "m"
    assert low.model == "m" + variant({"top_k": 1}) != "m"
