"""The cost of a call over HTTP: `promptcot generate` against a bare aiohttp loop, same server, start-up included.

    python benchmarks/http_client.py [--requests 10000] [--pairs 3] [--smallest]

Replies of 400 tokens, 256 calls in flight, 50 ms latency. The bare loop posts the same bodies, reads the JSON and keeps
nothing; ours reads rows, keeps a journal, parses, orders and writes. The pairs alternate; the median counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from pathlib import Path

import aiohttp
from _mock import Used, generate, mock_server, run, write_rows
from _options import Options, verdict

from promptcot.storage.rows import read_rows

TARGET_MILLISECONDS = 0.9
TARGET_CPU_RATIO = 1.8
TARGET_RATE_RATIO = 0.7
CONCURRENCY = 256


def main() -> int:
    parser = Options(__doc__, requests=20, pairs=1)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        asyncio.run(_bare(*options.bare))
        return 0
    met = _report(_measure(options.requests, options.pairs), options.requests)
    return verdict(options, met)


def _measure(requests: int, pairs: int) -> list[tuple[Used, Used]]:
    found = []
    with tempfile.TemporaryDirectory() as folder, mock_server("--latency", "0.05", "--reply-tokens", "400") as url:
        source = Path(folder, "in.jsonl")
        write_rows(source, requests)
        write_rows(Path(folder, "warm.jsonl"), 1)
        run(generate(Path(folder, "warm.jsonl"), Path(folder, "warm-out.jsonl"), url), f"{folder}/log")
        for number in range(pairs):
            bare = run([sys.executable, __file__, "--bare", str(source), url], f"{folder}/log")
            ours = run(generate(source, Path(folder, f"out-{number}.jsonl"), url), f"{folder}/log")
            if bare.code or ours.code:
                raise SystemExit(Path(folder, "log").read_text())
            assert sum(1 for _ in read_rows(Path(folder, f"out-{number}.jsonl"))) == requests
            found.append((bare, ours))
    return found


async def _bare(source: str, url: str) -> None:
    """The least that a client can do."""
    waiting = asyncio.Semaphore(CONCURRENCY)

    async def ask(session: aiohttp.ClientSession, prompt: str, seed: int) -> None:
        body = {"model": "mock", "prompt": prompt, "max_tokens": 1024, "temperature": 1.0, "seed": seed}
        async with waiting, session.post(f"{url}/completions", json=body) as response:
            json.loads(await response.read())["choices"][0]["text"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        rows = [json.loads(line) for line in Path(source).read_text().splitlines()]
        await asyncio.gather(*(ask(session, row["prompt"], seed) for seed, row in enumerate(rows)))


def _report(pairs: list[tuple[Used, Used]], requests: int) -> bool:
    bare_cpu, ours_cpu = (statistics.median(pair[side].cpu for pair in pairs) for side in (0, 1))
    cpu_ratio = statistics.median(ours.cpu / bare.cpu for bare, ours in pairs)
    rate_ratio = statistics.median(bare.seconds / ours.seconds for bare, ours in pairs)
    bare_rate, ours_rate = (statistics.median(requests / pair[side].seconds for pair in pairs) for side in (0, 1))
    milliseconds = 1000 * ours_cpu / requests
    print(f"{requests:,} requests, {len(pairs)} pairs, medians")
    print(f"bare aiohttp loop    {1000 * bare_cpu / requests:6.2f} ms of CPU a request {bare_rate:10,.0f} requests/s")
    print(f"promptcot generate   {milliseconds:6.2f} ms of CPU a request {ours_rate:10,.0f} requests/s")
    print(f"CPU ratio            {cpu_ratio:6.2f} (target ≤ {TARGET_CPU_RATIO}, and ≤ {TARGET_MILLISECONDS} ms)")
    print(f"rate ratio           {rate_ratio:6.2f} (target ≥ {TARGET_RATE_RATIO})")
    return cpu_ratio <= TARGET_CPU_RATIO and milliseconds <= TARGET_MILLISECONDS and rate_ratio >= TARGET_RATE_RATIO


if __name__ == "__main__":
    sys.exit(main())
