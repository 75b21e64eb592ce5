"""Real vLLM servers on the CPU, placed by Ray: a whole run streams through three of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptcot.storage.rows import read_rows
from tests.integration.cluster.clusters import Nodes, command
from tests.integration.even_heads import even_heads
from tests.programs import finished

pytestmark = pytest.mark.engines

CANDIDATES, TARGET = 2000, 20


def calls(directory: Path, stage: str) -> int:
    path = directory / f"{stage}.journal" / "calls.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_a_run_streams_through_servers_on_three_nodes(nodes: Nodes, tmp_path: Path) -> None:
    extra = nodes.add()
    settings = {"engine": "vllm", "dtype": "float32"}
    sections = ("generate", "judge.0", "judge.1")
    sets = [f"{section}.{key}={value}" for section in sections for key, value in settings.items()]
    words = [word for one in sets for word in ("--set", one)]
    options = ["--target", TARGET, "--max-candidates", CANDIDATES, "--concurrency", 1, "--actors", 1]
    line = command("run", "nano", *words, *options, "--until", "filter", "--output-dir", tmp_path / "x", *nodes.options)
    ran = finished(line)
    nodes.remove(extra)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert calls(tmp_path / "x", "generate") < CANDIDATES / 2, "problems were judged only when all had been written"
    stages = json.loads((tmp_path / "x" / "summary.json").read_bytes())["stages"]
    assert stages["judge-a"]["calls"] >= TARGET <= stages["judge-b"]["calls"]
    assert len(list(read_rows(tmp_path / "x" / "filter.jsonl"))) == TARGET


def test_a_server_over_two_nodes_answers(nodes: Nodes, tmp_path: Path) -> None:
    """Cut in two by tensor parallelism: vLLM's CPU build cannot divide the layers over machines."""
    sampled = finished(
        command("sample", "--data_path", "nano", "--data_size", 12, "--output_path", tmp_path / "s.jsonl")
    )
    assert sampled.returncode == 0, sampled.stderr
    line = command("generate", "--data-path", tmp_path / "s.jsonl", "--output-path", tmp_path / "g.jsonl")
    line += ["--model-path", even_heads("generator", tmp_path / "generator"), "--max-len", "300"]
    line += ["--engine", "vllm", "--dtype", "float32", "--concurrency", "8"]
    line += ["--engine-args", "--tensor-parallel-size 2 --pipeline-parallel-size 1"]
    done = finished([*line, "--actors", "1", "--nodes-per-actor", "2", *nodes.options])
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(read_rows(tmp_path / "g.jsonl"))
    assert len(rows) > 6
    assert all(row["problem"] and row["finish_reason"] == "stop" for row in rows)
