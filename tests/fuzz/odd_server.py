"""A server that answers every request with mutations of tests/cases/replies.jsonl and refusals.jsonl.

Which ones follows from the first part of the path, a seed: bytes cut, doubled and replaced, under any status and
content type, in pieces of any size, compressed, broken off or without end.
"""

import gzip
import random
from contextlib import suppress

from aiohttp import web

from tests.mutations import mutated
from tests.tables import table

_KINDS = ["application/json", "text/event-stream", "text/plain", "text/html", "", "a/b; charset=none", "\xff"]
_STATUS = [200] * 12 + [400, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529, 302, 204]


async def started() -> tuple[web.AppRunner, str]:
    """The server, which listens on a free port, and its address; `/SEED/v1` is a base URL."""
    bodies = [row["body"].encode() for name in ("replies", "refusals") for row in table(name)]
    app = web.Application()
    app.router.add_route("*", "/{seed}/v1/{rest:.*}", lambda request: _answer(request, bodies))
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return runner, f"http://{host}:{port}"


async def _answer(request: web.Request, bodies: list[bytes]) -> web.StreamResponse:
    draws = random.Random(int(request.match_info["seed"]))
    data = draws.choice(bodies)
    data = data if draws.random() < 0.2 else mutated(data, draws)
    headers = {"Content-Type": draws.choice(_KINDS)}
    if draws.random() < 0.1:
        headers["Retry-After"] = draws.choice(["1", "-1", "nan", "1e300", "Fri, 31 Dec 99999 23:59:59 GMT", "soon"])
    if draws.random() < 0.1:
        headers["Content-Encoding"] = draws.choice(["gzip", "deflate"])
        data = draws.choice([data, gzip.compress(data), gzip.compress(data)[:-5]])
    response = web.StreamResponse(status=draws.choice(_STATUS), headers=headers)
    size = draws.choice([1 << 20, 1 << 20, 1 << 20, 100, 7])
    again = draws.choice([1] * 200 + [100_000])  # without end, as far as a client can tell
    data, size = (data * 50, 1 << 20) if again > 1 else (data, size)
    with suppress(ConnectionError):  # the client has had enough
        await response.prepare(request)
        for _ in range(again):
            for place in range(0, len(data), size):
                await response.write(data[place : place + size])
    if draws.random() < 0.05 and request.transport is not None:
        request.transport.abort()
    return response
