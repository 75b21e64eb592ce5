"""The cost of a target: `promptcot run endpoint --target N` against the same without a limit on rows in flight.

    python benchmarks/target.py [--targets 5 20 100] [--runs 20] [--concurrency 256] [--smallest]

The mock server has a latency of 2 s with a log-normal spread of 0.3, and accepts about 16 % of the problems. Calls are
set against those that the rows up to the last accepted one took, the time against the run without a bound, whose window
is the runner's. Then the forecasts of `--runs` runs of target 50, each with a seed of its own, after 20, 50 and 100
rows: whether the 90 % interval held the calls that there were in the end, and how far the point was away.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from _mock import mock_server
from _options import Options, verdict

from promptcot.core.statistics.forecast import Forecast, forecast
from promptcot.engines.opening import Engines
from promptcot.engines.protocol import Engine
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import load
from promptcot.runners.local import LocalRunner

SLOWER = {5: 2.0}
LOOKED_AT = (20, 50, 100)


@dataclass(frozen=True)
class Seen:
    """The calls of a run, the needed calls, its seconds, and its forecasts by the number of decided rows."""

    calls: int
    needed: int
    seconds: float
    looks: Mapping[int, Forecast]


def main() -> int:
    parser = Options(__doc__, targets=[2], runs=1, latency=0.05)
    parser.add_argument("--targets", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--concurrency", type=int, default=256)
    chosen = parser.parse_args()
    with mock_server("--latency", str(chosen.latency), "--latency-spread", "0.3") as url:
        met = [_compared(url, target, chosen.concurrency) for target in chosen.targets]
        met.append(_forecasts(url, chosen.runs, chosen.concurrency))
    return verdict(chosen, all(met), right=True)


def _compared(url: str, target: int, concurrency: int) -> bool:
    """One line for a target; whether it was met."""
    bounded = asyncio.run(_run(url, 8000, target, concurrency, bounded=True))
    free = asyncio.run(_run(url, 8000, target, concurrency, bounded=False))
    allowed, ratio = 1.3 * bounded.needed + 200, bounded.seconds / free.seconds
    print(
        f"target {target:>4}: {bounded.calls:,} calls, {free.calls:,} without a bound; {bounded.needed:,} were needed "
        f"(allowed {allowed:,.0f}); {bounded.seconds:.1f} s, {free.seconds:.1f} s without: ratio {ratio:.2f} "
        f"(target ≤ {SLOWER.get(target, 1.3)})"
    )
    return bounded.calls <= allowed and ratio <= SLOWER.get(target, 1.3)


def _forecasts(url: str, runs: int, concurrency: int) -> bool:
    seen = [asyncio.run(_run(url, 9000 + seed, 50, concurrency, bounded=True)) for seed in range(runs)]
    good = True
    for rows in LOOKED_AT:
        looked = [(one.looks[rows].calls, one.calls) for one in seen if rows in one.looks]
        held = sum(found.low <= calls <= found.high for found, calls in looked)
        near = sum(abs(found.point - calls) <= 0.3 * calls for found, calls in looked)
        print(f"after {rows:>3} rows: the interval held {held} of {len(looked)}, the point was within 30 % in {near}")
        good &= held >= 0.85 * len(looked) and (rows < 100 or near >= 0.75 * len(looked))
    return good


async def _run(url: str, seed: int, target: int, concurrency: int, *, bounded: bool) -> Seen:
    """A run of its own, with everything as on the command line but the printing."""
    settings = {"server.base_url": url, "run.target": target, "run.concurrency": concurrency, "seed": seed}
    recipe = load("endpoint", [], settings)
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(recipe, Path(folder))
        async with Engines(Path(folder)) as engines:
            opened: dict[str, Engine] = await inputs.open_models(engines.open)
            least = 0 if bounded else recipe.run.candidates
            rows, runner = inputs.sampled(None), LocalRunner(concurrency)
            run = Run(inputs.steps, recipe.run, Path(folder), opened, rows, runner, least_ahead=least)
            looks: dict[int, Forecast] = {}
            looking = asyncio.create_task(_look(run, looks))
            began = time.monotonic()
            await run.run({})
            looking.cancel()
            counts = run.counts
            needed = sum(stage.rows_done - stage.dropped["beyond target"] for stage in counts.values() if stage.calls)
            return Seen(run.standing().calls, needed, time.monotonic() - began, looks)


async def _look(run: Run, looks: dict[int, Forecast]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(0.05)
        stands = run.standing()
        found = forecast(stands, stands.calls / (time.monotonic() - began))
        for rows in LOOKED_AT:
            if found is not None and stands.decided >= rows:
                looks.setdefault(rows, found)


if __name__ == "__main__":
    sys.exit(main())
