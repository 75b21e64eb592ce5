"""A server that queues is not silent; silence counts from the first bytes of its answer."""

import asyncio
from collections.abc import Sequence

import pytest
from aiohttp import web

from promptcot.engines.openai.patience import patience_for
from promptcot.errors import TransientError
from promptcot.records import Message, Request, Sampling
from tests.unit.engines.http_servers import ASK, Handler, asking, serving

LONG = Request(messages=(Message("user", "Think."),), sampling=Sampling(max_tokens=5000))
SAID = b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": null}]}\n\n'
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
WHOLE = b'{"choices": [{"text": "x", "finish_reason": "stop"}]}'


def queues(*pieces: bytes, kind: str = "text/event-stream", head: float = 0.0, gap: float = 0.0) -> Handler:
    """An answer whose head comes after so many seconds, and each piece after `gap` more."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(head)
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        for piece in pieces:
            await asyncio.sleep(gap)
            await response.write(piece)
        return response

    return handle


TAKEN: list[tuple[str, Request, Handler]] = [
    ("no head for long", LONG, queues(SAID, END, head=0.5)),
    ("a head, and then no body for long", LONG, queues(SAID + END, gap=0.5)),
    ("a reply in one piece, no head for long", ASK, queues(WHOLE, kind="application/json", head=0.5)),
    ("a reply in one piece, no body for long", ASK, queues(WHOLE, kind="application/json", gap=0.5)),
]


@pytest.mark.parametrize(("request_", "handler"), [case[1:] for case in TAKEN], ids=[case[0] for case in TAKEN])
async def test_a_queue_is_no_silence(request_: Request, handler: Handler) -> None:
    async with serving(handler) as root, asking(f"{root}/v1", idle_timeout=0.1) as engine:
        assert (await engine.complete(request_)).text == "x"


SILENT: list[tuple[str, Request, Sequence[bytes], str]] = [
    ("a stream that stops", LONG, [SAID, b"", SAID], "text/event-stream"),
    ("a stream whose queue told of itself", LONG, [b": queued\n\n", b"", SAID], "text/event-stream"),
    ("half a reply", ASK, [WHOLE[:9], b"", WHOLE[9:]], "application/json"),
]


@pytest.mark.parametrize(
    ("request_", "pieces", "kind"), [case[1:] for case in SILENT], ids=[case[0] for case in SILENT]
)
async def test_silence_counts_from_the_first_bytes(request_: Request, pieces: Sequence[bytes], kind: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        await response.write(pieces[0])
        await asyncio.sleep(60)
        return response

    async with serving(handle) as root, asking(f"{root}/v1", idle_timeout=0.1) as engine:
        with pytest.raises(TransientError, match="no more bytes arrived in time") as caught:
            await engine.complete(request_)
    assert caught.value.cause == "timeout"


@pytest.mark.parametrize("handler", [queues(SAID, head=60), queues(SAID, gap=60)], ids=["no head", "no body"])
async def test_a_queue_that_is_too_long_is_reported_with_the_ways_out(handler: Handler) -> None:
    async with serving(handler) as root, asking(f"{root}/v1", queue_timeout=0.2) as engine:
        with pytest.raises(TransientError, match=r"in the server's queue.*--concurrency.*--queue-timeout") as caught:
            await engine.complete(LONG)
    assert caught.value.cause == "queue"


async def test_comments_do_not_keep_a_stream_alive_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.02)

    monkeypatch.setattr("promptcot.engines.openai.patience._SILENCE", 0.1)
    monkeypatch.setattr("promptcot.engines.openai.patience._SLOWEST", 1e9)
    patience_for.cache_clear()
    async with serving(handle) as root, asking(f"{root}/v1", queue_timeout=0.2) as engine:
        with pytest.raises(TransientError, match="not finished in time"):
            await engine.complete(LONG)
    patience_for.cache_clear()


def test_a_reply_in_one_piece_may_be_written_before_it_begins() -> None:
    whole, streamed = patience_for(32_768, False, None, None), patience_for(32_768, True, None, None)
    assert (streamed.beginning, streamed.silence) == (1800, 300)
    assert whole.whole == pytest.approx(1800 + 3276.8 + 600)
    assert patience_for(32_768, False, None, 60.0).beginning == pytest.approx(60 + 3276.8)
