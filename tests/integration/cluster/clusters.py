"""A cluster of three nodes on this machine, models that are mock servers where they are placed, and the command line.

Ray gives its workers the lowest priority, which on a busy machine is none at all: here they get the ordinary one.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from promptcot.storage.writer import RowWriter

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_usage_stats_enabled": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH")])),
}
CPUS = 4
"""What each node pretends to have: Ray ends idle processes, and starts them anew, where there are more than CPUs."""
STORE = 150 << 20
MOCK = "_placed:open_engine"


def persistently(start: Callable[[], Any]) -> Any:
    """What it gives, at the third try at the latest: Ray allows a node 30 s to start, however busy the machine is."""
    for _ in range(2):
        with suppress(Exception):
            return start()
    return start()


class Nodes:
    """The cluster: a head for drivers, and nodes for servers. `add` and `remove` take more of them."""

    def __init__(self, workers: int = 2, gpus: int = 0) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        self._cluster = persistently(lambda: Cluster(initialize_head=True, head_node_args=head))
        self.address = str(self._cluster.address)
        for _ in range(workers):
            self.add(gpus)

    def add(self, gpus: int = 0) -> Any:
        node = {"num_cpus": CPUS, "num_gpus": gpus, "object_store_memory": STORE}
        return persistently(lambda: self._cluster.add_node(**node))

    def add_with(self, environment: dict[str, str]) -> Any:
        """A node whose servers have other variables."""
        node = {"num_cpus": CPUS, "object_store_memory": STORE, "env_vars": environment}
        return persistently(lambda: self._cluster.add_node(**node))

    def remove(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()

    @property
    def options(self) -> list[str]:
        """The options of a command that uses it."""
        return ["--ray-address", self.address]


def write_rows(path: Path, rows: int, poisoned: Iterable[int] = ()) -> None:
    """Rows with a prompt; those that are poisoned are too long for a server that says how long they may be."""
    writer = RowWriter(path)
    for number in range(rows):
        words = "theory " * (9000 if number in set(poisoned) else 8)
        writer.write({"id": f"{number:06d}", "prompt": f"Design a problem, number {number}. {words}", "kept": [number]})
    writer.commit()


def command(verb: str, *options: object) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "promptcot", verb, *map(str, options)]


def generate(source: Path, target: Path | str, mock: str, *options: object) -> list[str]:
    """Rows through a mock server with these options: on a cluster where one is given, else in the command's process."""
    paths = ["--data-path", source, "--output-path", target]
    model = ["--engine", MOCK, "--model-path", "mock", "--engine-args", f"{mock} --reply-tokens 60"]
    return command("generate", *paths, *model, "--concurrency", 16, "--max-len", 512, *options)


def answered(log: Path) -> Counter[str]:
    """How often each call was answered, by all servers that write into this folder."""
    return Counter(line for path in log.glob("*.calls") for line in path.read_text().splitlines())


def servers(log: Path) -> list[int]:
    """The process ids of the servers that write into this folder."""
    return [int(path.stem) for path in log.glob("*.calls")]


def journaled(output: Path) -> list[str]:
    """The keys of the calls in an output's journal, in the order in which they ended."""
    lines = (output.parent / f"{output.stem}.journal" / "calls.jsonl").read_bytes().splitlines()
    return [json.loads(line)["key"] for line in lines]


def files(output: Path) -> dict[str, Any]:
    """What an output and its companions hold: rows byte for byte, the summary without its seconds."""
    stem = output.name.removesuffix(".jsonl")
    found: dict[str, Any] = {
        path.name.removeprefix(stem): path.read_bytes() for path in sorted(output.parent.glob(f"{stem}.*jsonl"))
    }
    found[""] = output.read_bytes()
    found["calls"] = sorted((output.parent / f"{stem}.journal" / "calls.jsonl").read_bytes().splitlines())
    recipe = json.loads((output.parent / f"{stem}.recipe.json").read_bytes())
    del recipe["recipe"]["output_path"]
    summary = json.loads((output.parent / f"{stem}.summary.json").read_bytes())
    for name in ("seconds", "asked_again"):
        summary["stages"]["generate"].pop(name, None)
    return {**found, "recipe": recipe, "summary": summary}


def endpoint(folder: Path, *options: object, mock: str = "--rate-500 0.05") -> list[str]:
    """The recipe `endpoint`: a generator and two judges, each a mock server of its own."""
    changes = {
        "server.engine": MOCK,
        "server.engine_args": f"--reply-tokens 60 {mock}",
        "generate.model": "writer",
        "judge.0.model": "first",
        "judge.1.model": "second",
        "server.price.prompt": 1,
        "server.price.completion": 1,
        "encode.skip": "true",
    }
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return command("run", "endpoint", *sets, "--until", "filter", "--concurrency", 16, "--output-dir", folder, *options)
