"""Grading a million predictions: time, memory, and the cost of an interruption.

    python benchmarks/grades.py [--predictions 1000000] [--characters 450] [--smallest]

Eight traces a problem, answers mostly integers, some fractions, some missing. `promptcot grade` runs once to the end; a
second time on a copy it is killed with -9 when a third is graded, and started again. Long thoughts are another matter:
`--predictions 50000 --characters 20000` is to reach the rate named below.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _mock import run
from _options import Options, verdict

from promptcot.storage.writer import RowWriter

TARGET_MEGABYTES = 1000
TARGET_RATE = 400
SAMPLES = 8
THOUGHT = "So we try $k = 7$, get $\\frac{7}{2}$, and go back to the sum. "


def main() -> int:
    parser = Options(__doc__, predictions=3000)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--characters", type=int, default=450, help="length of a completion")
    chosen = parser.parse_args()
    count = chosen.predictions
    with tempfile.TemporaryDirectory() as name:
        whole, broken = Path(name, "whole.jsonl"), Path(name, "broken.jsonl")
        for path in (whole, broken):
            _write(path, count, chosen.characters)
        used = run(_grade(whole), f"{name}/log")
        if used.code:
            raise SystemExit(Path(name, "log").read_text())
        kept = _killed(broken, count // 3)
        again = run(_grade(broken), f"{name}/log")
        same = _numbers(whole) == _numbers(broken)
    rate = count / used.seconds
    print(f"{count:,} predictions in {used.seconds:,.0f} s, {1e6 * used.cpu / count:,.0f} µs of CPU each")
    print(f"{rate:,.0f} predictions a second (target at 20,000 characters > {TARGET_RATE})")
    print(f"peak memory {used.megabytes:,.0f} MB (target < {TARGET_MEGABYTES})")
    print(f"killed with {kept:,} grades kept; the rest took {again.seconds:,.0f} s")
    print(f"the same numbers: {same}")
    return verdict(chosen, used.megabytes < TARGET_MEGABYTES and rate > TARGET_RATE, right=same)


def _killed(path: Path, after: int) -> int:
    """Kill a grading when it has kept so many grades; how many they were."""
    with subprocess.Popen(_grade(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while _kept(path) < after and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    return _kept(path)


def _kept(path: Path) -> int:
    return sum(part.read_bytes().count(b"\n") for part in path.with_name(f"{path.stem}.grades").glob("*.jsonl"))


def _grade(path: Path) -> list[str]:
    return [sys.executable, "-m", "promptcot", "grade", "--output-path", str(path)]


def _numbers(path: Path) -> object:
    return json.loads(path.with_name(f"{path.stem}.grades.json").read_text())


def _write(path: Path, count: int, characters: int) -> None:
    draw, thought = np.random.default_rng(7), THOUGHT * (characters // len(THOUGHT))
    writer = RowWriter(path)
    for number in range(count):
        problem, sample = divmod(number, SAMPLES)
        gold = 10 + problem % 9000
        fate = draw.random()
        told = f"\\boxed{{{gold if fate < 0.6 else gold + int(draw.integers(1, 4))}}}" if fate < 0.95 else "I give up."
        if fate < 0.05:
            told = f"\\boxed{{\\frac{{{2 * gold}}}{{2}}}}"
        writer.write(
            {
                "id": f"problem-{problem}",
                "source": "made-up",
                "answer": str(gold),
                "sample": sample,
                "completion": f"<think>\nLet us see. {thought}\n</think>\nThe answer is {told}",
                "finish_reason": "stop",
                "completion_tokens": 80,
            }
        )
    writer.commit()


if __name__ == "__main__":
    sys.exit(main())
