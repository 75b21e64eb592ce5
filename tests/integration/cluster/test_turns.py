"""If not all models fit on the GPUs, they run one after another while rows stream. The GPUs are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster.clusters import Nodes, endpoint, servers
from tests.programs import finished

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def one_gpu(settings: None) -> Iterator[Nodes]:
    nodes = Nodes(workers=1, gpus=1)
    yield nodes
    nodes.end()


def test_three_models_share_one_gpu_and_the_files_are_those_of_one_machine(one_gpu: Nodes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    candidates = ("--max-candidates", 60)
    local = finished(endpoint(tmp_path / "local", *candidates))
    assert local.returncode == 0, local.stderr
    options = [*candidates, "--gpus-per-actor", 1, *one_gpu.options]
    done = finished(endpoint(tmp_path / "placed", *options, mock=f"--rate-500 0.05 --log {log}"))
    assert done.returncode == 0, done.stdout + done.stderr
    for path in sorted((tmp_path / "local").glob("*.jsonl")):
        assert (tmp_path / "placed" / path.name).read_bytes() == path.read_bytes(), path.name
    assert 3 <= len(servers(log)) <= 6, done.stdout + done.stderr
    assert "(--ray-wait)" not in done.stdout
