"""Does the HTTP engine raise only the three errors of its protocol, whatever a server sends?

    python benchmarks/fuzz_wire.py [--seconds 300] [--seed 0] [--smallest]

A server in this process answers with mutations of tests/cases/replies.jsonl and refusals.jsonl: bytes cut, doubled and
replaced, under any status and content type, in pieces of any size, compressed, broken off or without end. Prints how
many calls ended how; a call that ends otherwise is shown with its seed, and is a failure.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.errors import EngineUnusable, RequestRefused, TransientError
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Message, Request, Sampling
from tests.fuzz.odd_server import started

_AT_ONCE = 8
_ENDS = (TransientError, RequestRefused, EngineUnusable)


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
    runner, url = await started()
    ends: Counter[str] = Counter()
    finds: list[str] = []
    numbers, until = iter(range(seed, sys.maxsize)), time.monotonic() + seconds

    async def ask() -> None:
        while time.monotonic() < until:
            number = next(numbers)
            end = await _one(f"{url}/{number}/v1", number)
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


if __name__ == "__main__":
    sys.exit(main())
