"""Servers in this process with given answers, and engines that call them."""

import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.recipe.schema import Served
from promptcot.records import Request, Sampling

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "sk-very-secret-0123456789"
ASK = Request(prompt="What is 2 + 2?", sampling=Sampling(max_tokens=10))
GOOD = {
    "choices": [{"text": "4", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 6, "completion_tokens": 1},
}


@asynccontextmanager
async def serving(handler: Handler, *, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[str]:
    """The root URL of a server that gives every request to `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.05, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
    await site.start()
    assert site._server is not None
    found = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{found}"
    finally:
        await runner.cleanup()


def served(*urls: str, **options: Any) -> Served:
    """A model behind these URLs, which nobody has checked."""
    return Served().model_copy(update={"base_url": list(urls), **options})


@asynccontextmanager
async def asking(*urls: str, model: str = "m", **options: Any) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAIEngine(model, served(*urls, **options))
    try:
        yield engine
    finally:
        await engine.close()


def plays(*answers: web.Response | dict[str, Any]) -> Handler:
    """Gives these answers, and the last one from then on."""
    left = deque(answers)

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = left.popleft() if len(left) > 1 else left[0]
        return web.json_response(answer) if isinstance(answer, dict) else _copy(answer)

    return handle


def _copy(answer: web.Response) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def html(status: int = 200) -> web.Response:
    return web.Response(status=status, text="<html>Please sign in</html>", content_type="text/html")
