"""Tokens a second through our vLLM engine against `vllm.LLM.generate` called directly: same model, prompts and seeds.

    python benchmarks/vllm_throughput.py [--prompts 512] [--pairs 5] [--smallest]

Both sides are loaded before the clock starts; the pairs alternate and the median ratio counts. Ours includes HTTP, the
journal, reading the replies and writing the file. Needs vLLM (`make test-engines` installs the build for CPUs).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from _options import Options, verdict

from promptcot import nano
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.pipeline.execute import run_stage
from promptcot.pipeline.inputs import Inputs
from promptcot.recipe.loading import load
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.runners.local import LocalRunner
from promptcot.stages.generate import Generate
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output

TARGET_RATIO = 0.90
MODEL = Model(model="nano:generator", engine="vllm", dtype="bfloat16", temperature=0.7, max_tokens=400)


def main() -> int:
    parser = Options(__doc__, prompts=4, pairs=1)
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--direct", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.direct:
        _serve_directly()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = list(islice(Inputs(load("nano"), Path(folder)).sampled(None), options.prompts))
        pairs = asyncio.run(_measure(rows, options.pairs, Path(folder)))
    return verdict(options, _report(pairs, options.prompts))


async def _measure(rows: list[Row], pairs: int, folder: Path) -> list[tuple[float, float]]:
    """Tokens a second of (direct, ours), pair by pair."""
    command = [sys.executable, __file__, "--direct"]
    room = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "2"}  # what our engine gives its server, too
    direct = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=room, start_new_session=True)
    engines = Engines(folder)
    try:
        _exchange(direct, {"warm": True, **_calls(rows[:8], seed=0)})
        engine = await engines.open(MODEL, "generator")
        await _ours(rows[:8], 0, engine, folder / "warm.jsonl")
        return [
            (
                _exchange(direct, _calls(rows, seed))["rate"],
                await _ours(rows, seed, engine, folder / f"{seed}.jsonl"),
            )
            for seed in range(1, pairs + 1)
        ]
    finally:
        await engines.close()
        os.killpg(direct.pid, signal.SIGKILL)  # vLLM's own processes, too
        direct.communicate()


async def _ours(rows: list[Row], seed: int, engine: Engine, target: Path) -> float:
    with Output(target, "generate") as output, Journal(target.with_suffix(".journal")) as journal:
        started = time.monotonic()
        await run_stage(Generate(MODEL.sampling, seed), rows, engine, LocalRunner(256), output, journal)
        seconds = time.monotonic() - started
        output.commit()
        return output.counts.completion_tokens / seconds


def _calls(rows: list[Row], seed: int) -> dict[str, Any]:
    requests = [Generate(MODEL.sampling, seed).ask(row)[0] for row in rows]
    return {"prompts": [request.prompt for request in requests], "seeds": [request.seed for request in requests]}


def _exchange(process: subprocess.Popen[bytes], message: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith(b'{"rate"'):
            found: dict[str, Any] = json.loads(line)
            return found
    raise SystemExit("vllm.LLM ended")


def _serve_directly() -> None:
    """The other side, as a process of its own: reads prompts and seeds, answers with tokens a second."""
    from vllm import LLM, SamplingParams

    model = LLM(
        str(nano.path("generator")),
        load_format="safetensors",
        dtype="bfloat16",
        enforce_eager=True,
        generation_config="vllm",
        enable_prefix_caching=True,
    )
    for line in sys.stdin:
        message = json.loads(line)
        sampling = [SamplingParams(temperature=0.7, max_tokens=400, seed=seed) for seed in message["seeds"]]
        started = time.monotonic()
        outputs = model.generate(message["prompts"], sampling, use_tqdm=False)
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        print(json.dumps({"rate": tokens / (time.monotonic() - started)}), flush=True)


def _report(pairs: list[tuple[float, float]], prompts: int) -> bool:
    """Print the pairs; whether the target is met."""
    ratio = statistics.median(ours / direct for direct, ours in pairs)
    print(f"{prompts} prompts, {len(pairs)} pairs, tokens a second")
    for direct, ours in pairs:
        print(f"  vllm.LLM {direct:8,.0f}   promptcot {ours:8,.0f}   ratio {ours / direct:.2f}")
    print(f"median ratio {ratio:.2f} (target ≥ {TARGET_RATIO})")
    return ratio >= TARGET_RATIO


if __name__ == "__main__":
    sys.exit(main())
