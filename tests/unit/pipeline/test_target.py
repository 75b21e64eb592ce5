"""The calls for a target: runs through the real pipeline with models that have latency, in virtual time.

`benchmarks/target.py` does the same against a real server. The accepted share is 16 %, and a call takes two seconds,
with a log-normal spread of 0.3.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from promptcot import domains
from promptcot.core.statistics.forecast import Forecast, forecast
from promptcot.engines.scripted import ScriptedEngine
from promptcot.pipeline.plan import steps_of
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import parse
from promptcot.records import Completion, Request, Row, derive_seed
from promptcot.runners.local import LocalRunner
from tests.virtual_time import VirtualLoop, run_virtually

RATINGS = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability", "Final Judgement")
SHARE, LATENCY, SPREAD = 0.16, 2.0, 0.3
UNBOUNDED = 10**6
SEEDS = 8


@dataclass
class World:
    """A run with one seed, and its measurements."""

    seed: int
    target: int
    bounded: bool = True
    concurrency: int = 256
    share: float = SHARE
    looks: dict[int, Forecast] = field(default_factory=dict)

    def write(self, request: Request) -> str:
        return (
            f"<!-- BEGIN RATIONALE -->\nbecause\n<!-- END RATIONALE -->\n"
            f"<!-- BEGIN PROBLEM -->\nFind {request.seed}.\n<!-- END PROBLEM -->"
        )

    def rate(self, request: Request) -> Completion:
        good = derive_seed(self.seed, "rate", request.seed) / 2**31 < math.sqrt(self.share)
        rating = "perfect" if good else "bad"
        return Completion("\n".join(f"{name}: {rating}" for name in RATINGS), "stop", 60, 30)

    def latency(self, request: Request) -> float:
        rng = random.Random(derive_seed(self.seed, "latency", request.seed))
        return LATENCY * rng.lognormvariate(-SPREAD * SPREAD / 2, SPREAD)

    def rows(self) -> Iterator[Row]:
        for number in range(UNBOUNDED):
            yield {
                "id": f"{self.seed}-{number}",
                "foundational_concepts": ["one", "two"],
                "level": "AIME",
                "prompt": f"{number}",
            }

    def make(self, directory: Path) -> Run:
        scripts = {"generate": self.write, "judge-a": self.rate, "judge-b": self.rate}
        engines = {name: ScriptedEngine(script, model=name, latency=self.latency) for name, script in scripts.items()}
        limits = {"target": self.target, "max_candidates": UNBOUNDED, "concurrency": self.concurrency}
        judges = [{"name": "a"}, {"name": "b"}]
        recipe = parse({"name": "w", "seed": self.seed, "prompts": "nano", "run": limits, "judge": judges})
        least = 0 if self.bounded else UNBOUNDED
        steps = steps_of(recipe, domains.load("nano"))
        return Run(steps, recipe.run, directory, engines, self.rows(), LocalRunner(self.concurrency), least_ahead=least)

    async def look(self, run: Run, loop: VirtualLoop) -> None:
        """Note the forecasts after 20, 50 and 100 rows."""
        while True:
            await asyncio.sleep(0.05)
            stands = run.standing()
            for rows in (20, 50, 100):
                if stands.decided >= rows and rows not in self.looks:
                    found = forecast(stands, stands.calls / loop.time())
                    assert found is not None
                    self.looks[rows] = found

    def run(self, directory: Path) -> tuple[int, int, float]:
        """The calls that were made, those that the rows up to the last accepted one took, and the seconds."""
        made = self.make(directory)

        async def main(loop: VirtualLoop) -> float:
            looking = asyncio.create_task(self.look(made, loop))
            await made.run({})
            looking.cancel()
            return loop.time()

        seconds = run_virtually(main)
        assert made.came == self.target
        needed = made.counts["sample"].rows_out * 3
        return made.standing().calls, needed, seconds


@pytest.mark.parametrize(("target", "slower"), [(5, 2.0), (20, 1.3), (100, 1.3)])
def test_a_target_costs_little_more_than_it_needs_and_takes_hardly_longer(
    target: int, slower: float, tmp_path: Path
) -> None:
    calls = needed = seconds = unbounded = 0.0
    for seed in range(2):
        made = World(seed, target).run(tmp_path / f"{seed}")
        free = World(seed, target, bounded=False).run(tmp_path / f"{seed}-free")
        assert made[1] == free[1], "a bound must not change which rows there are"
        calls, needed = calls + made[0], needed + made[1]
        seconds, unbounded = seconds + made[2], unbounded + free[2]
    assert calls <= 1.3 * needed + 2 * 200
    assert seconds <= slower * unbounded


@pytest.mark.parametrize("share", [0.03, 0.6])
def test_other_shares_cost_little_more_either(share: float, tmp_path: Path) -> None:
    calls, needed, _ = World(1, 20, share=share).run(tmp_path)
    assert calls <= 1.3 * needed + 500


def test_a_slow_run_of_few_calls_at_a_time_asks_about_few_rows_ahead(tmp_path: Path) -> None:
    calls, needed, _ = World(0, 3, concurrency=1).run(tmp_path)
    assert calls <= needed + 60


def test_the_forecast_holds_the_end(tmp_path: Path) -> None:
    held: dict[int, list[bool]] = {}
    near: list[bool] = []
    for seed in range(SEEDS):
        world = World(seed, 50)
        calls, _, _ = world.run(tmp_path / f"{seed}")
        for rows, found in world.looks.items():
            held.setdefault(rows, []).append(found.calls.low <= calls <= found.calls.high)
        if 100 in world.looks:
            near.append(abs(world.looks[100].calls.point - calls) <= 0.3 * calls)
    for rows, those in held.items():
        assert sum(those) >= 0.85 * len(those), rows
    assert sum(near) >= 0.75 * len(near) > 0
