"""The speed of the local engine on a CPU by threads and by precision, and the effect of precision on replies.

    python benchmarks/local_precision.py --model_path FOLDER [--requests 24] [--max_tokens 40] [--turns 3] [--smallest]

For every way to share the cores that the engine would try, and for float32 and bfloat16: tokens a second of steps of 16
rows, measured as the engine does when it loads a model, in turns, the median. Then, for each precision, tokens a second
of the engine with all calls open at once, and how many replies are the same when asked alone, greedy and drawn.
Without a folder the model is a random one, whose replies mean nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from _options import Options, verdict
from _shapes import COMPARED, TINY, save_shape, save_weights, words

from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.local.model import DType, load
from promptcot.engines.local.sharing import candidates, rows_per_second
from promptcot.engines.machine import cores, threads
from promptcot.records import Request, Sampling

DTYPES: tuple[DType, ...] = ("float32", "bfloat16")


def shares(folder: Path, turns: int) -> None:
    """Print the rates of all ways to share the cores."""
    models = {dtype: load(folder, dtype=dtype) for dtype in DTYPES}
    tried = [(dtype, sharing) for sharing in candidates(cores(), threads()) for dtype in DTYPES]
    rates: dict[object, list[float]] = {pair: [] for pair in tried}
    for _ in range(turns):
        for dtype, sharing in tried:
            rates[dtype, sharing].append(rows_per_second(models[dtype], sharing))
    for dtype, sharing in tried:
        least, middle, most = (pick(rates[dtype, sharing]) for pick in (min, statistics.median, max))
        print(f"{sharing!s:28} {dtype:9} {middle:8,.0f} tokens/s ({least:,.0f} to {most:,.0f})")


async def replies(folder: Path, dtype: DType, requests: list[Request]) -> tuple[float, int]:
    """Tokens a second of all at once, and how many replies are the same alone."""
    engine = LocalEngine(folder, dtype=dtype)
    began = time.monotonic()
    together = await asyncio.gather(*map(engine.complete, requests))
    rate = sum(reply.completion_tokens or 0 for reply in together) / (time.monotonic() - began)
    alone = [await engine.complete(request) for request in requests]
    await engine.close()
    return rate, sum(one.text == other.text for one, other in zip(together, alone, strict=True))


def asked(count: int, max_tokens: int, temperature: float) -> list[Request]:
    """Prompts of many lengths."""
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    return [Request(prompt=words(3 + 5 * seed % 60, seed, 512), seed=seed, sampling=sampling) for seed in range(count)]


def main() -> int:
    parser = Options(__doc__, requests=3, max_tokens=4, turns=1)
    parser.add_argument("--model_path", type=Path)
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--max_tokens", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    exact = True
    with tempfile.TemporaryDirectory() as place:
        folder = options.model_path
        if folder is None:
            folder = save_shape(
                Path(place) / "random", {**COMPARED, **TINY} if options.smallest else COMPARED, "float32"
            )
            save_weights(folder, "float32")
        shares(folder, options.turns)
        for dtype in DTYPES:
            for temperature in (0.0, 1.0):
                calls = asked(options.requests, options.max_tokens, temperature)
                rate, same = asyncio.run(replies(folder, dtype, calls))
                exact = exact and (dtype != "float32" or same == len(calls))
                print(
                    f"{dtype:9} temperature {temperature}: {rate:,.0f} tokens/s with {len(calls)} calls at once; "
                    f"{same} of {len(calls)} replies the same alone",
                    flush=True,
                )
    print("target: in float32 every reply is the same alone")
    return verdict(options, exact, right=exact)


if __name__ == "__main__":
    raise SystemExit(main())
