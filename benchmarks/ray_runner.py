"""The runner of a Ray cluster against the local one, on clusters simulated on this machine.

nodes     throughput on two worker nodes against one, where the latency of the endpoint sets the rate (1 s a call, 32
          calls at a time for each worker); whole commands, the start of the workers included
cpu       CPU of a row against the local runner on one node, 1 ms latency; the local runner's is its process, Ray's
          is the driver and all processes of the cluster, raylets and workers, between start and end of the command;
          the median of three pairs
memory    the most memory of the driver with 1,000,000 short rows, on an engine that answers at once

  python benchmarks/ray_runner.py [nodes] [cpu] [memory] [--rows N] [--smallest]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from _mock import Used, generate, mock_server, run, write_rows
from _options import Options, verdict

from promptcot.engines.protocol import Engine
from promptcot.engines.scripted import ScriptedEngine
from promptcot.pipeline.execute import run_stage
from promptcot.records import Row, Sampling
from promptcot.runners.streams import in_order, stream_of
from promptcot.stages.generate import Generate
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output

SETTINGS = {
    "RAY_worker_niceness": "0",  # the lowest priority, Ray's default, would measure what else the machine does
    "RAY_AUTH_MODE": "disabled",
    "RAY_usage_stats_enabled": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
CPUS = 4
"""What each node pretends to have: Ray ends idle processes, and starts them anew, where there are more than CPUs."""
STORE = 200 << 20
REPLY = (
    "<!-- BEGIN RATIONALE -->\nTwo ideas meet.\n<!-- END RATIONALE -->\n"
    "<!-- BEGIN PROBLEM -->\nFind $1 + 1$.\n<!-- END PROBLEM -->"
)


MISSED: list[str] = []


def judged(good: bool, target: str) -> str:
    """The target, and whether it is met; a missed one is noted."""
    if not good:
        MISSED.append(target)
    return f"(target: {target}) {'PASS' if good else 'MISS'}"


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """A head without workers, and so many nodes; gives the address."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(workers):
            found.add_node(num_cpus=CPUS, object_store_memory=STORE)
        yield str(found.address)
    finally:
        found.shutdown()


class Processes:
    """The CPU of all processes that this one has started, but for those in `without`; use as a context manager."""

    def __init__(self, without: set[int]) -> None:
        self._without = without
        self._seen: dict[tuple[int, float], float] = {}
        self.names: dict[tuple[int, float], str] = {}
        self._first: dict[tuple[int, float], float] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Processes:
        self._look()
        self._first = dict(self._seen)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    @property
    def cpu(self) -> float:
        """Seconds between entering and leaving; what a process uses in its last tenth of a second is missed."""
        return sum(used - self._first.get(key, 0.0) for key, used in self._seen.items())

    def by_name(self) -> str:
        """The same for processes of each name, the largest first."""
        sums: Counter[str] = Counter()
        for key, used in self._seen.items():
            sums[self.names[key]] += used - self._first.get(key, 0.0)
        return ", ".join(f"{name} {used:.1f}" for name, used in sums.most_common(8))

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self._look()

    def _look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            if process.pid in self._without:
                continue
            try:
                times = process.cpu_times()
                key = (process.pid, process.create_time())
                self._seen[key] = times.user + times.system
                self.names[key] = (process.cmdline() or [process.name()])[0].rpartition("/")[2]
            except psutil.Error:
                continue


def on_ray(line: Sequence[str], address: str, *options: object) -> list[str]:
    return [*line, "--runner", "ray", "--ray-address", address, *map(str, options)]


def timed(line: Sequence[str], log: Path) -> Used:
    used = run(line, str(log))
    if used.code:
        raise SystemExit(log.read_text(errors="replace"))
    return used


def nodes(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    write_rows(folder / "rows.jsonl", rows, words=8)
    seconds = {}
    for workers in (1, 2):
        with mock_server("--latency", "1", "--reply-tokens", "60", "--no-ledger") as url, cluster(workers) as address:
            line = generate(folder / "rows.jsonl", folder / f"{workers}.jsonl", url)
            options = ("--concurrency", 32, "--actors", workers)
            seconds[workers] = timed(on_ray(line, address, *options), folder / "log").seconds
        print(
            f"{workers} worker nodes: {rows:,} rows in {seconds[workers]:.1f} s, {rows / seconds[workers]:.1f} rows/s"
        )
    ratio = seconds[1] / seconds[2]
    print(f"throughput on two nodes against one: {ratio:.2f} times {judged(ratio >= 1.7, 'at least 1.7')}")
    assert (folder / "1.jsonl").read_bytes() == (folder / "2.jsonl").read_bytes()


def cpu(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    write_rows(folder / "rows.jsonl", rows)
    write_rows(folder / "few.jsonl", 64)
    with mock_server("--latency", "0.001", "--no-ledger") as url, cluster(1) as address:
        warm = [*generate(folder / "few.jsonl", folder / "warm.jsonl", url), "--concurrency", "8"]
        timed(on_ray(warm, address), folder / "log")  # Ray's own modules are compiled once, too
        ratios = sorted(_pair(folder, rows, url, address, number) for number in range(chosen.pairs))
    ratio = median(ratios)
    print(
        f"CPU of a row on Ray against the local runner: {ratio:.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f} in "
        f"{chosen.pairs} pairs) {judged(ratio <= 1.5, 'at most 1.5')}"
    )


def _pair(folder: Path, rows: int, url: str, address: str, number: int) -> float:
    """The same rows through both runners; how many times the CPU Ray takes."""
    source, local, ray = folder / "rows.jsonl", folder / f"local{number}.jsonl", folder / f"ray{number}.jsonl"
    others = {child.pid for child in psutil.Process().children() if "mock-server" in child.cmdline()}
    alone = timed(generate(source, local, url), folder / "log")
    print(f"local: {alone.cpu:.1f} s of CPU, {1e6 * alone.cpu / rows:.0f} µs a row, {alone.seconds:.0f} s")
    with Processes(others) as processes:
        driver = timed(on_ray(generate(source, ray, url), address), folder / "log")
    print(
        f"ray:   {processes.cpu:.1f} s of CPU, {1e6 * processes.cpu / rows:.0f} µs a row, {driver.seconds:.0f} s; "
        f"of that the driver {driver.cpu:.1f} s, with at most {driver.megabytes:.0f} MB\n       {processes.by_name()}"
    )
    assert local.read_bytes() == ray.read_bytes()
    return processes.cpu / alone.cpu


def memory(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    with cluster(1) as address:
        command = [sys.executable, __file__, "--driver", str(folder), "--address", address, "--rows", str(rows)]
        code = subprocess.run([*command, *(["--smallest"] if chosen.smallest else [])]).returncode
    if code and chosen.smallest:
        raise SystemExit("the driver failed")
    if code:
        MISSED.append("memory")


async def open_scripted(logs: Path) -> Engine:
    return ScriptedEngine(lambda request: REPLY)


def short_rows(rows: int) -> Iterator[Row]:
    return ({"id": f"{number:016x}", "prompt": f"Design problem {number}."} for number in range(rows))


async def drive(folder: Path, address: str, rows: int) -> None:
    """The driver of `memory`: a pass, and its gathering."""
    from promptcot.runners.cluster.nodes import Need, join
    from promptcot.runners.cluster.runner import Crew, RayRunner, Spread
    from promptcot.storage.remote import Folder

    stage, engine = Generate(Sampling(), 1), ScriptedEngine(lambda request: REPLY)
    runner = RayRunner(join(address), Folder.at(folder / "x.ray" / "work"))
    crew = Crew(engine, open_scripted, Spread(1, 1, Need(), 256, 2048))
    started = time.monotonic()
    with Output(folder / "x.jsonl", "generate") as output, Journal(folder / "x.journal") as journal:
        await runner.ask(stage, stream_of(in_order(short_rows(rows))), crew, journal, StageCounts("generate"))
        asked, most_asking = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        await run_stage(stage, short_rows(rows), engine, runner, output, journal)
        output.commit({})
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"driver, {rows:,} rows: at most {most:,.0f} MB ({most_asking:,.0f} MB when all was asked) "
        f"{judged(most <= 1000, 'at most 1,000')}; "
        f"asked in {asked - started:.0f} s, gathered in {time.monotonic() - asked:.0f} s"
    )
    assert output.counts.rows_out == rows
    runner.cluster.leave()


def main() -> int:
    parser = Options(__doc__, rows=64, pairs=1)
    parser.add_argument("which", nargs="*", default=["nodes", "cpu", "memory"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--pairs", type=int, default=3, help="of runs whose CPU is compared")
    parser.add_argument("--driver", type=Path)
    parser.add_argument("--address", default="")
    given = parser.parse_args()
    os.environ.update(SETTINGS)
    if given.driver:
        asyncio.run(drive(given.driver, given.address, given.rows))
        return verdict(given, not MISSED)
    measures = {"nodes": (nodes, 3_000), "cpu": (cpu, 100_000), "memory": (memory, 1_000_000)}
    for name in given.which:
        measure, rows = measures[name]
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode", "PYTHONDONTWRITEBYTECODE": ""}
            measure(Path(folder), given.rows or rows, given)
    return verdict(given, not MISSED)


if __name__ == "__main__":
    sys.exit(main())
