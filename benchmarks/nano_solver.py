"""The shipped solver on the 200 held-out problems: mean accuracy over samples, by level.

    python benchmarks/nano_solver.py [--samples 8] [--temperature 0.6] [--smallest]

Answers of this world are integers or fractions in `\\boxed{}`; they are compared exactly, and a reply without a box, or
cut off, is wrong.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from _options import Options, verdict

from promptcot import domains, nano
from promptcot.engines.opening import Engines
from promptcot.pipeline.execute import run_stage
from promptcot.recipe.schema import Model
from promptcot.records import Completion, Request, Row, Sampling, derive_seed
from promptcot.runners.local import LocalRunner
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows

TARGET = 0.40
BOX = re.compile(r"\\boxed\{([^{}]*)\}")


class Solve:
    """Several traces of each problem."""

    name = "solve"

    def __init__(self, samples: int, temperature: float) -> None:
        self._samples = samples
        self._sampling = Sampling(temperature=temperature, max_tokens=600)
        self._prompts = domains.load("nano")

    def ask(self, row: Row) -> Sequence[Request]:
        prompt = self._prompts.render("solve", problem=row["problem"])
        seeds = [derive_seed("benchmark", row["id"], sample) for sample in range(self._samples)]
        return [
            Request(prompt=prompt, sampling=self._sampling, seed=seed, sample=sample)
            for sample, seed in enumerate(seeds)
        ]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        right = [_answer(reply) == row["reference_solution"].rsplit("####")[-1].strip() for reply in replies]
        return [{**row, "right": right}]


def _answer(reply: Completion) -> str | None:
    boxes = BOX.findall(reply.text)
    return None if reply.truncated or not boxes else boxes[-1].strip()


async def solve(samples: int, temperature: float, every: int, folder: Path) -> list[Row]:
    """Each `every`th problem with its traces."""
    target = folder / "solved.jsonl"
    engines = Engines(folder)
    engine = await engines.open(Model(model="nano:solver"), "solver")
    with Output(target, "solve") as output, Journal(folder / "journal") as journal:
        rows = islice(read_rows(nano.benchmark_path()), 0, None, every)
        await run_stage(Solve(samples, temperature), rows, engine, LocalRunner(16), output, journal)
        output.commit()
    await engines.close()
    return list(read_rows(target))


def main() -> int:
    parser = Options(__doc__, samples=1, every=60)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--every", type=int, default=1, help="take each so-manyth problem only")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(solve(chosen.samples, chosen.temperature, chosen.every, Path(folder)))
    levels: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        levels[row["level"]].append(statistics.fmean(row["right"]))
    every = [mean for means in levels.values() for mean in means]
    error = statistics.stdev(every) / len(every) ** 0.5
    mean = statistics.fmean(every)
    print(f"nano solver, {len(every)} problems, {chosen.samples} samples, temperature {chosen.temperature}")
    print(f"all        {mean:6.1%} ± {1.96 * error:.1%} (95 % interval over problems), target {TARGET:.0%}")
    for level in ("AMC12", "AIME", "HMMT-Feb"):
        print(f"{level:<10} {statistics.fmean(levels[level]):6.1%} of {len(levels[level])}")
    by_level = [statistics.fmean(levels[level]) for level in ("AMC12", "AIME", "HMMT-Feb")]
    falling = all(one > other for one, other in zip(by_level, islice(by_level, 1, None), strict=False))
    print("falling with level" if falling else "not falling with level")
    return verdict(chosen, mean >= TARGET and falling)


if __name__ == "__main__":
    sys.exit(main())
