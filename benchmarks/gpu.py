"""Runs all parts of this project that use a GPU, in one command of at most eight minutes, without a network.

    python benchmarks/gpu.py [--seconds 480] [--prompts 512] [--parts direct one_gpu …] [--smallest]

direct           tokens a second of `vllm.LLM.generate`: the shape of Llama 3.1 8B, 512 prompts of 256 tokens, 256 drawn
one_gpu          the same through `solve` on a vLLM server of our own, with HTTP, journal and files
training         `promptcot train` of the shape of Qwen2.5 1.5B, all weights, packs of 16,384 tokens: tokens a second,
                 MFU, the kernels in use, peak memory beside what the dry run computes
local_engine     greedy texts of the engine in this process against transformers' `generate`, on the GPU
data_parallel    `one_gpu` with a copy of the model on each GPU, and
tensor_parallel  `one_gpu` with the model cut over them, where there are several

Weights are random. Each part is a process of its own, one after the other, so that one which fails leaves the others
and the GPU alone; a part that would begin too late is left out, which is said. `--smallest` needs no GPU. The command
ends with 1 where a part failed or was left out, where texts differ, or below 0.90 times the rate of vLLM.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from _gpu import PARTS, Result, Settings
from _options import Options

from promptcot.engines.vllm import log as vllm_log

TARGET_RATIO = 0.90
LIMITS = {"about": 60, "direct": 170, "one_gpu": 170, "training": 150, "local_engine": 60}
"""Seconds that a part may take; those on several GPUs as much as `one_gpu`."""

RESULT = "RESULT "
"""What begins the line with which a part ends."""

LEAST, GRACE = 30, 15
"""Seconds that must be left for a part to begin, and that one has to end its servers."""

SMALLEST = {"prompts": 4, "prompt_tokens": 16, "reply_tokens": 8, "window": 128, "steps": 3, "compared": 4}


class Failed(Exception):
    """A part that gave no result; says why."""


def run(part: str, folder: Path, settings: Settings, seconds: float) -> Result:
    """The result of a part. Raises Failed; nothing of it runs on."""
    folder.mkdir()
    log = folder / "output.txt"
    command = [sys.executable, __file__, "--run", part, str(folder), json.dumps(asdict(settings))]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {seconds:.0f} s\n{_why(log)}") from None
    finally:
        _end(process)
    lines = log.read_text(errors="replace").splitlines()
    found = next((line for line in reversed(lines) if line.startswith(RESULT)), None)
    if process.returncode or found is None:
        raise Failed(f"ended with {process.returncode}\n{_why(log)}")
    result: Result = json.loads(found.removeprefix(RESULT))
    return result


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a part that still runs end its server, so that the GPU is free; then kill what is left of its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _why(log: Path) -> str:
    """What a part's output says about its end, cause first, then its last lines."""
    text = vllm_log.tail(log, 0)
    lines = [*vllm_log.reason(text).splitlines(), "…", *text.splitlines()[-12:]]
    return "\n".join(f"    {line}" for line in lines)


def parts_for(gpus: int, asked: list[str] | None) -> list[str]:
    """The parts to run, those that tell most first."""
    alone = [part for part in PARTS if part != "about" and (gpus > 1 or "parallel" not in part)]
    return [part for part in alone if not asked or part in asked]


def told(part: str, result: Result, others: dict[str, Result]) -> str:
    """A result in a line."""
    if part == "training":
        mfu = "unknown for this device" if result["mfu"] is None else f"{result['mfu']:.1%}"
        memory = f"peak memory {result['peak'] / 1e9:.1f} GB, the dry run says {result['forecast'] / 1e9:.1f} GB"
        rate = f"{result['rate']:,.0f} tokens/s in packs of {result['window']:,}, MFU {mfu}"
        return f"{rate}; {memory}; {result['kernels']}"
    if part == "local_engine":
        return f"{result['same']} of {result['of']} texts equal on {result['device']}; {result['rate']:,.0f} tokens/s"
    words = f"{result['rate']:,.0f} tokens/s ({result['tokens']:,} in {result['seconds']:.1f} s)"
    against = others.get("one_gpu" if "parallel" in part else "direct") if part != "direct" else None
    if against is None:
        return words
    side = "one GPU" if "parallel" in part else "vllm.LLM"
    return f"{words}; {result['rate'] / against['rate']:.2f} times {side}"


def judged(results: dict[str, Result], smallest: bool) -> bool:
    """Whether what must hold does: equal texts at any size, our share of vLLM's rate at the real one."""
    checks = {}
    if compared := results.get("local_engine"):
        checks["texts equal to generate's"] = compared["same"] == compared["of"]
    if not smallest and {"direct", "one_gpu"} <= results.keys():
        ratio = results["one_gpu"]["rate"] / results["direct"]["rate"]
        checks[f"{ratio:.2f} times the rate of vllm.LLM (target ≥ {TARGET_RATIO})"] = ratio >= TARGET_RATIO
    for check, met in checks.items():
        say(f"{check}: {'PASS' if met else 'MISS'}")
    return all(checks.values())


def say(line: str) -> None:
    print(line, flush=True)


def machine(result: Result) -> str:
    """The machine in a few lines."""
    gpus = ", ".join(f"{result['gpus'].count(name)} × {name}" for name in dict.fromkeys(result["gpus"])) or "no GPU"
    releases = ", ".join(f"{name} {release}" for name, release in result["releases"].items())
    return f"{result['machine']}: {gpus}; {result['system']}, CUDA {result['cuda'] or 'none'}\n{releases}"


def measured(parts: list[str], settings: Settings, place: Path, until: float) -> dict[str, Result]:
    """The results of the parts that give one; what becomes of each is said at once."""
    results: dict[str, Result] = {}
    for part in parts:
        began, left = time.monotonic(), until - GRACE - time.monotonic()
        limit = left if settings.smallest else min(left, LIMITS.get(part, LIMITS["one_gpu"]))
        if limit < LEAST:
            say(f"{part:16} left out: no time is left; --parts {part} runs it alone")
            continue
        try:
            results[part] = run(part, place / part, settings, limit)
            say(f"{part:16} {told(part, results[part], results)} [{time.monotonic() - began:.0f} s]")
        except Failed as error:
            say(f"{part:16} FAILED: {error}")
    return results


def main() -> int:
    parser = Options(__doc__, seconds=3600, **SMALLEST)
    parser.add_argument("--seconds", type=float, default=480, help="that all of it may take")
    sizes = {name: field.default for name, field in Settings.__dataclass_fields__.items() if name != "smallest"}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--parts", nargs="+", choices=[part for part in PARTS if part != "about"])
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        part, folder, told_settings = chosen.run
        say(RESULT + json.dumps(PARTS[part](Path(folder), Settings(**json.loads(told_settings)))))
        return 0
    until = time.monotonic() + chosen.seconds
    settings = Settings(chosen.smallest, **{name: getattr(chosen, name) for name in sizes})
    with tempfile.TemporaryDirectory(prefix="promptcot-gpu-", ignore_cleanup_errors=True) as place:
        facts = run("about", Path(place) / "about", settings, chosen.seconds if chosen.smallest else LIMITS["about"])
        say(machine(facts))
        gpus = len(facts["gpus"])
        if not gpus and not chosen.smallest:
            say("no GPU here: --smallest shows that all parts work, with numbers that mean nothing")
            return 1
        parts = parts_for(gpus, chosen.parts)
        results = measured(parts, settings, Path(place), until)
    if gpus < 2:
        say("data_parallel and tensor_parallel need several GPUs")
    missing = [part for part in parts if part not in results]
    good = judged(results, chosen.smallest)
    if missing:
        say(f"without a result: {', '.join(missing)}")
    return 0 if good and not missing and parts else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(f"nothing can be found out about this machine: {error}")
