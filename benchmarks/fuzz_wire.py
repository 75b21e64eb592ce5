"""Does anything that a server sends get out of the HTTP engine as another error than the three of its protocol?

    python benchmarks/fuzz_wire.py [--seconds 300] [--seed 0] [--smallest]

A server in this process answers with mutations of tests/cases/replies.jsonl and refusals.jsonl: bytes cut, doubled and
replaced, under any status and content type, in pieces of any size, compressed, broken off or without end. Prints how
many calls ended how; a call that ends otherwise is shown with its seed, and is a failure.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from _options import Options
from aiohttp import web

sys.path.append(str(Path(__file__).parents[1]))
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.errors import EngineUnusable, RequestRefused, TransientError
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Message, Request, Sampling
from tests.mutations import mutated
from tests.tables import table

_AT_ONCE = 8
_ENDS = (TransientError, RequestRefused, EngineUnusable)
_KINDS = ["application/json", "text/event-stream", "text/plain", "text/html", "", "a/b; charset=none", "\xff"]
_STATUS = [200] * 12 + [400, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529, 302, 204]


def main() -> int:
    parser = Options(__doc__, seconds=1.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    ends, finds = asyncio.run(_fuzz(chosen.seconds, chosen.seed))
    print(f"{ends.total():,} calls in {chosen.seconds:,.0f} s: ", end="")
    print(", ".join(f"{count:,} {name}" for name, count in ends.most_common()))
    for find in finds[:20]:
        print(find)
    print("MISS" if finds else "PASS")
    return 1 if finds else 0


async def _fuzz(seconds: float, seed: int) -> tuple[Counter[str], list[str]]:
    bodies = [row["body"].encode() for name in ("replies", "refusals") for row in table(name)]
    app = web.Application()
    app.router.add_post("/{seed}/v1/chat/completions", lambda request: _answer(request, bodies))
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    ends: Counter[str] = Counter()
    finds: list[str] = []
    numbers, until = iter(range(seed, sys.maxsize)), time.monotonic() + seconds

    async def ask() -> None:
        while time.monotonic() < until:
            number = next(numbers)
            end = await _one(f"http://{host}:{port}/{number}/v1", number)
            ends[end.partition(":")[0]] += 1
            if ":" in end:
                finds.append(f"seed {number}: {end}")

    await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    await runner.cleanup()
    return ends, finds


async def _one(url: str, seed: int) -> str:
    """How a call ends; what it ends with, after a colon, where it is none of the protocol's ends."""
    limit = random.Random(seed).choice([1, 64, 4096, 4097, 9000])
    engine = OpenAIEngine("m", Served(base_url=[url], idle_timeout=2.0))
    request = Request(messages=(Message("user", "What is 2 + 2?"),), sampling=Sampling(max_tokens=limit))
    try:
        reply = await asyncio.wait_for(engine.complete(request), 30)
        return f"reply of {reply.finish_reason}" if isinstance(reply, Completion) else f"no reply: {reply!r}"
    except _ENDS as error:
        return next(kind.__name__ for kind in _ENDS if isinstance(error, kind))
    except Exception as error:
        return f"{type(error).__name__}: {error!r}"
    finally:
        await engine.close()


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
    await response.prepare(request)
    size = draws.choice([1 << 20, 1 << 20, 1 << 20, 100, 7])
    again = draws.choice([1] * 200 + [100_000])  # without end, as far as a client can tell
    data, size = (data * 50, 1 << 20) if again > 1 else (data, size)
    with suppress(ConnectionError):  # the client has had enough
        for _ in range(again):
            for place in range(0, len(data), size):
                await response.write(data[place : place + size])
    if draws.random() < 0.05 and request.transport is not None:
        request.transport.abort()
    return response


if __name__ == "__main__":
    sys.exit(main())
