"""A stage with our own vLLM server: the server is killed twice, the run is interrupted, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from promptcot.engines.opening import Engines
from promptcot.engines.vllm.engine import VllmEngine
from promptcot.pipeline.execute import run_stage
from promptcot.pipeline.inputs import Inputs
from promptcot.recipe.loading import load
from promptcot.recipe.schema import Model
from promptcot.records import Row
from promptcot.runners.local import LocalRunner
from promptcot.stages.generate import Generate
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter
from tests.programs import PATIENCE, runs, started, wait_until

pytestmark = pytest.mark.engines

MODEL = Model(model="nano:generator", engine="vllm", dtype="float32", temperature=0.7, max_tokens=300)
ROWS = 240


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return list(islice(Inputs(load("nano"), tmp_path).sampled(None), ROWS))


async def test_a_server_killed_twice_costs_no_row(rows: list[Row], tmp_path: Path) -> None:
    engines = Engines(tmp_path)
    engine = await engines.open(MODEL, "generator")
    assert isinstance(engine, VllmEngine)
    with Output(tmp_path / "out.jsonl", "generate") as output, Journal(tmp_path / "journal") as journal:
        killer = asyncio.create_task(_kill_at(engine, output, [ROWS // 4, ROWS // 2]))
        try:
            stage = Generate(MODEL.sampling, 1)
            await run_stage(stage, rows, engine, LocalRunner(32), output, journal)
            pids = engine.server.pids
        finally:
            killer.cancel()
            await engines.close()
        output.commit()
    assert output.counts.failed == {}
    assert output.counts.asked_again["server ended"] > 0
    told = [*read_rows(tmp_path / "out.jsonl"), *_dropped(tmp_path / "out.dropped.jsonl")]
    assert sorted(row["id"] for row in told) == sorted(row["id"] for row in rows)
    assert (tmp_path / "vllm-generator-0.log").read_text(errors="replace").count("\n=== ") == 3
    assert not any(runs(pid) for pid in pids)


async def _kill_at(engine: VllmEngine, output: Output, counts: list[int]) -> None:
    for count in counts:
        while output.counts.calls < count:
            await asyncio.sleep(0.01)
        for pid in engine.server.pids:
            os.kill(pid, signal.SIGKILL)


def _dropped(path: Path) -> list[Row]:
    return list(read_rows(path)) if path.exists() else []


def test_ctrl_c_ends_the_server_with_the_run_and_the_next_run_goes_on(rows: list[Row], tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    writer = RowWriter(source)
    for row in rows:
        writer.write(row)
    writer.commit()
    command = [sys.executable, "-m", "promptcot", "generate", "--data-path", str(source), "--max-len", "300"]
    command += ["--output-path", str(tmp_path / "out.jsonl"), "--engine", "vllm", "--concurrency", "8"]
    calls = tmp_path / "out.journal" / "calls.jsonl"
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: calls.exists() and calls.read_bytes().count(b"\n") > 20, process)
        servers = _descendants(process.pid)
        assert servers
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert not any(runs(pid) for pid in servers)
    assert 20 < calls.read_bytes().count(b"\n") < ROWS


def _descendants(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    children = [int(word) for word in found.stdout.split()]
    return [*children, *(below for child in children for below in _descendants(child))]
