"""Models served on a Ray cluster against models on one machine; the clusters are simulated on this machine.

nodes     throughput on two nodes against one, where servers set the rate: 1 s a call, 32 calls at a time for each;
          whole commands, the start of the servers included
cpu       CPU of a row in the process that asks, against the same command with a server at an address, on one node,
          1 ms latency; what a command of 64 rows takes is taken off both, and with it Ray's start; the median of pairs
elastic   seconds until a node that joins is used, and until nothing is left of a command that was killed with -9
memory    the most memory of the process that asks with 1,000,000 short rows, and its calls a second

  python benchmarks/ray_runner.py [nodes] [cpu] [elastic] [memory] [--rows N] [--pairs N] [--smallest]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from _mock import Used, generate, mock_server, run, write_rows
from _options import Options, verdict

HERE = Path(__file__).parent
SETTINGS = {
    "RAY_worker_niceness": "0",  # the lowest priority, Ray's default, would measure what else the machine does
    "RAY_AUTH_MODE": "disabled",
    "RAY_usage_stats_enabled": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
}
CPUS, STORE = 4, 150 << 20
FEW, PATIENCE = 64, 300.0
_NODES: list[Any] = []
"""The cluster that is up."""
MISSED: list[str] = []


def judged(good: bool, target: str) -> str:
    """The target, and whether it is met; a missed one is noted."""
    if not good:
        MISSED.append(target)
    return f"(target: {target}) {'PASS' if good else 'MISS'}"


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """A head, and so many nodes for servers; gives the address."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    found = _persistently(lambda: Cluster(initialize_head=True, head_node_args=head))
    try:
        for _ in range(nodes):
            _persistently(lambda: found.add_node(num_cpus=CPUS, object_store_memory=STORE))
        _NODES.append(found)
        yield str(found.address)
    finally:
        _NODES.clear()
        found.shutdown()


def _persistently(start: Callable[[], Any]) -> Any:
    """What it gives, at the third try at the latest: Ray allows a node 30 s to start, however busy the machine is."""
    for _ in range(2):
        with suppress(Exception):
            return start()
    return start()


def placed(source: Path, target: Path, address: str, mock: str, *options: object) -> list[str]:
    """The command that asks mock servers, one on each node."""
    paths = ["--data-path", str(source), "--output-path", str(target)]
    model = ["--engine", "_placed:open_engine", "--engine-args", mock, "--model-path", "mock", "--max-len", "1024"]
    more = ["--ray-address", address, *map(str, options)]
    return [sys.executable, "-m", "promptcot", "generate", *paths, *model, *more]


def used(line: Sequence[str], log: Path) -> Used:
    found = run(line, str(log))
    if found.code:
        raise SystemExit(log.read_text(errors="replace"))
    return found


def nodes(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    write_rows(folder / "rows.jsonl", rows, words=8)
    mock = "--latency 1.0 --concurrency-limit 32 --reply-tokens 60"
    seconds = {}
    for count in (1, 2):
        with cluster(count) as address:
            line = placed(folder / "rows.jsonl", folder / f"{count}.jsonl", address, mock, "--concurrency", 32)
            seconds[count] = used(line, folder / "log").seconds
        print(f"{count} nodes: {rows:,} rows in {seconds[count]:.1f} s, {rows / seconds[count]:.1f} rows/s")
    ratio = seconds[1] / seconds[2]
    print(f"throughput on two nodes against one: {ratio:.2f} times {judged(ratio >= 1.7, 'at least 1.7')}")
    assert (folder / "1.jsonl").read_bytes() == (folder / "2.jsonl").read_bytes()


def cpu(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    write_rows(folder / "rows.jsonl", rows)
    write_rows(folder / "few.jsonl", FEW)
    with mock_server("--latency", "0.001", "--no-ledger") as url, cluster(1) as address:
        ratios = sorted(_pair(folder, rows, url, address, number) for number in range(chosen.pairs))
    ratio = median(ratios)
    print(
        f"CPU of a row, servers on a cluster against a server at an address: {ratio:.2f} times ({ratios[0]:.2f} to "
        f"{ratios[-1]:.2f} in {chosen.pairs} pairs) {judged(ratio <= 1.15, 'at most 1.15')}"
    )


def _pair(folder: Path, rows: int, url: str, address: str, number: int) -> float:
    """The same rows in both ways; how many times the CPU the cluster takes."""
    each = {}
    for name in ("local", "placed"):
        cost = {}
        for source in ("few", "rows"):
            target = folder / f"{name}-{source}-{number}.jsonl"
            line = generate(folder / f"{source}.jsonl", target, url)
            if name == "placed":
                line = placed(folder / f"{source}.jsonl", target, address, "--latency 0.001")
            cost[source] = used(line, folder / "log")
        each[name] = (cost["rows"].cpu - cost["few"].cpu) / max(1, rows - FEW)
        print(
            f"{name}: {1e6 * each[name]:.0f} µs a row, {cost['few'].cpu:.1f} s for the start, "
            f"{rows / cost['rows'].seconds:,.0f} rows/s, at most {cost['rows'].megabytes:.0f} MB"
        )
    assert (folder / f"local-rows-{number}.jsonl").read_bytes() == (folder / f"placed-rows-{number}.jsonl").read_bytes()
    return each["placed"] / each["local"]


def elastic(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    log = folder / "servers"
    write_rows(folder / "rows.jsonl", max(rows, 2_000), words=8)  # two minutes of work, for the node to join in
    with cluster(2) as address:
        mock = f"--latency 1.0 --reply-tokens 60 --log {log}"
        line = placed(folder / "rows.jsonl", folder / "x.jsonl", address, mock, "--concurrency", 8)
        with subprocess.Popen(line, stdout=subprocess.DEVNULL) as process:
            _until(lambda: len(_servers(log)) == 2)
            before = set(_servers(log))
            _NODES[-1].add_node(num_cpus=CPUS, object_store_memory=STORE)
            joined = _until(
                lambda: any(path.stat().st_size for path in log.glob("*.calls") if int(path.stem) not in before)
            )
            process.kill()
            killed = _until(lambda: not any(psutil.pid_exists(pid) for pid in _servers(log)))
    print(f"a node that joins has answered its first calls after {joined:.1f} s {judged(joined <= 30, 'at most 30')}")
    print(f"no server is left {killed:.1f} s after kill -9 {judged(killed <= 30, 'at most 30')}")


def _servers(log: Path) -> list[int]:
    return [int(path.stem) for path in log.glob("*.calls")]


def _until(happened: Callable[[], bool]) -> float:
    """Seconds until a condition is true."""
    started = time.monotonic()
    while not happened():
        if time.monotonic() - started > PATIENCE:
            raise SystemExit("nothing happens")
        time.sleep(0.05)
    return time.monotonic() - started


def memory(folder: Path, rows: int, chosen: argparse.Namespace) -> None:
    write_rows(folder / "rows.jsonl", rows, words=1)
    with cluster(1) as address:
        line = placed(folder / "rows.jsonl", folder / "x.jsonl", address, "--reply-tokens 20")
        found = used(line, folder / "log")
    print(
        f"process that asks, {rows:,} rows: at most {found.megabytes:,.0f} MB "
        f"{judged(found.megabytes <= 400, 'at most 400')}; {rows / found.seconds:,.0f} calls/s by the clock with the "
        f"servers on the same cores, {rows / found.cpu:,.0f} a second of its CPU"
    )


def main() -> int:
    parser = Options(__doc__, rows=FEW + 16, pairs=1)
    parser.add_argument("which", nargs="*", default=["nodes", "cpu", "elastic", "memory"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--pairs", type=int, default=3, help="of runs whose CPU is compared")
    given = parser.parse_args()
    os.environ.update(SETTINGS)
    measures = {
        "nodes": (nodes, 3_000),
        "cpu": (cpu, 100_000),
        "elastic": (elastic, 5_000),
        "memory": (memory, 1_000_000),
    }
    for name in given.which:
        measure, rows = measures[name]
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode", "PYTHONDONTWRITEBYTECODE": ""}
            measure(Path(folder), given.rows or rows, given)
    return verdict(given, not MISSED)


if __name__ == "__main__":
    sys.exit(main())
