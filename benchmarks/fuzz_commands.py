"""Does any command line, with any rows, recipe or reply, end in a traceback, a strange exit code or a changed input?

    python benchmarks/fuzz_commands.py [--seconds 300] [--seed 0] [--kinds rows,recipe] [--processes 0.03] [--only]

Every seed is a command line of one kind (`tests/fuzz/command_lines.py`) or a call of the Python API
(`tests/fuzz/calls.py`), run in this process, and a share of them in separate processes. Prints how they ended, and each
kind of failure with its seeds; `--seed N --only` runs one, and prints all of its output.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _options import Options

sys.path.append(str(Path(__file__).parents[1]))
from tests.fuzz import calls, command_lines, trying
from tests.fuzz.odd_server import started

_SECONDS = {"replies": 4.0}
"""After how long a command line is interrupted; most kinds end by themselves."""
_KINDS = [*command_lines.SHARES, "calls"]
_CALLS = 0.15  # the share of calls among all trials


def main() -> int:
    parser = Options(__doc__, seconds=1.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(_KINDS))
    parser.add_argument("--processes", type=float, default=0.03)
    parser.add_argument("--only", action="store_true")
    chosen = parser.parse_args()
    with _server():
        if chosen.only:
            return _show(chosen.seed, chosen)
        ends, finds = _fuzz(chosen)
    print(f"{ends.total():,} trials in {chosen.seconds:,.0f} s: ", end="")
    print(", ".join(f"{count:,} {name}" for name, count in ends.most_common()))
    for kind, found in sorted(finds.items(), key=lambda item: -len(item[1])):
        print(f"{len(found):5,} x {kind}: seeds {', '.join(str(seed) for seed, _ in found[:4])}")
        print(f"        {found[0][1][:1000]}")
    print("MISS" if finds else "PASS")
    return 1 if finds else 0


def _fuzz(chosen: argparse.Namespace) -> tuple[Counter[str], dict[str, list[tuple[int, str]]]]:
    ends: Counter[str] = Counter()
    finds: dict[str, list[tuple[int, str]]] = {}
    seed, until = chosen.seed, time.monotonic() + chosen.seconds
    while time.monotonic() < until:
        name, what, outcome = _one(seed, chosen)
        ends[f"{name} {outcome.code}"] += 1
        for kind, _ in outcome.wrong:
            finds.setdefault(kind, []).append((seed, what))
        seed += 1
    return ends, finds


def _one(seed: int, chosen: argparse.Namespace) -> tuple[str, str, trying.Outcome]:
    """The kind of the trial of a seed, what it runs, and how that ended."""
    draws, kinds = random.Random(f"kind {seed}"), chosen.kinds.split(",")
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as above:
        folder = Path(above) / "a" / "b" / "work"
        folder.mkdir(parents=True)
        if "calls" in kinds and (draws.random() < _CALLS or kinds == ["calls"]):
            call = calls.call(seed, folder)
            return "calls", call.shown, call.tried(seed, folder)
        lines = [kind for kind in kinds if kind != "calls"]
        weighted = [kind for kind in lines for _ in range(command_lines.SHARES[kind])]
        trial = command_lines.trial(seed, folder, weighted)
        run = trying.as_process if draws.random() < chosen.processes else trying.in_process
        seconds = 1.0 if trial.arguments[0] == "mock-server" else _SECONDS.get(trial.kind, 20.0)
        before, read = trying.hashes(folder), command_lines.reads(trial.arguments, folder)
        outcome = trying.judged(run(trial.arguments, folder, seed, seconds), trial.arguments)
        if lost := trying.changed(before, folder) & read:
            outcome.wrong.append((f"input changed by {trial.arguments[0]}", ", ".join(sorted(lost))))
        return trial.kind, trying.shown(trial.arguments), outcome


def _show(seed: int, chosen: argparse.Namespace) -> int:
    _, what, outcome = _one(seed, chosen)
    print(what, f"ends with {outcome.code!r}", outcome.out, outcome.err, sep="\n")
    for kind, rest in outcome.wrong:
        print(f"FIND {kind}\n{rest}")
    return 1 if outcome.wrong else 0


@contextmanager
def _server() -> Iterator[None]:
    """A server with distorted replies in a thread of this process, whose address is in the environment."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner, url = asyncio.run_coroutine_threadsafe(started(), loop).result()
    os.environ[command_lines.SERVER] = url
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
