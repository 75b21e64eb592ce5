"""A cluster of three nodes on this machine, a mock server with a ledger of its own, and the command line against both.

Ray gives its workers the lowest priority, which on a busy machine is none at all: here they get the ordinary one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promptcot.storage.writer import RowWriter
from tests.programs import finished, started

SETTINGS = {
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_usage_stats_enabled": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
}
CPUS = 4
"""What each node pretends to have: Ray ends idle processes, and starts them anew, where there are more than CPUs."""
STORE = 150 << 20


class Nodes:
    """The cluster: a head for drivers, and two nodes for workers. `add` and `remove` take more of them."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = str(self._cluster.address)
        for _ in range(2):
            self.add()

    def add(self) -> Any:
        return self._cluster.add_node(num_cpus=CPUS, object_store_memory=STORE)

    def remove(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)

    def end(self) -> None:
        self._cluster.shutdown()


@contextmanager
def mock_server(*options: str) -> Iterator[str]:
    """A mock server of its own, whose ledger is empty; gives its base URL."""
    command = [sys.executable, "-m", "promptcot", "mock-server", "--port", "0", *options]
    with started(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/v1", process.stdout.readline())
        assert found is not None
        yield found[0]


def stats(url: str) -> dict[str, Any]:
    """What a mock server has counted."""
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/stats") as reply:
        counted: dict[str, Any] = json.load(reply)
    return counted


def write_rows(path: Path, rows: int, poisoned: frozenset[int] = frozenset()) -> None:
    """Rows with a prompt; those that are poisoned are too long for a server that says how long they may be."""
    writer = RowWriter(path)
    for number in range(rows):
        words = "theory " * (9000 if number in poisoned else 8)
        writer.write({"id": f"{number:06d}", "prompt": f"Design a problem, number {number}. {words}", "kept": [number]})
    writer.commit()


def command(verb: str, *options: object) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "promptcot", verb, *map(str, options)]


def generate(source: Path, target: Path | str, url: str, *options: object) -> list[str]:
    paths = ["--data-path", source, "--output-path", target]
    return command(
        "generate", *paths, "--base-url", url, "--model-path", "mock", "--concurrency", 16, "--max-len", 512, *options
    )


def run(line: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return finished(line, cwd=cwd)


def files(output: Path) -> dict[str, Any]:
    """What an output and its companions hold: rows byte for byte, the summary without its seconds."""
    stem = output.name.removesuffix(".jsonl")
    found: dict[str, Any] = {
        path.name.removeprefix(stem): re.sub(rb"http://[\d.:]+", b"http://SERVER", path.read_bytes())
        for path in sorted(output.parent.glob(f"{stem}.*jsonl"))
    }
    found["calls"] = sorted((output.parent / f"{stem}.journal" / "calls.jsonl").read_bytes().splitlines())
    recipe = json.loads((output.parent / f"{stem}.recipe.json").read_bytes())
    del recipe["recipe"]["output_path"]
    summary = json.loads((output.parent / f"{stem}.summary.json").read_bytes())
    del summary["stages"]["generate"]["seconds"]
    return {**found, "recipe": recipe, "summary": summary}
