"""The runner of a cluster gives the files of the local one, whatever is lost on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from promptcot.storage.rows import read_rows
from tests.integration.ray.clusters import Nodes, command, files, generate, mock_server, run, stats, write_rows
from tests.programs import PATIENCE, started, wait_until

pytestmark = pytest.mark.engines

ROWS = 480
BATCH = 32
POISONED = frozenset({7, 200})
FAULTS = ("--rate-refusal", "0.02", "--rate-500", "0.05", "--context", "4096", "--reply-tokens", "60")


def ray(nodes: Nodes, *options: object) -> list[object]:
    return ["--runner", "ray", "--ray-address", nodes.address, "--batch-size", BATCH, *options]


def wait_for(url: str, answers: int, process: subprocess.Popen[Any]) -> None:
    """Until the server has given so many answers."""
    wait_until(lambda: stats(url)["answered"] >= answers, process)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows, and what the local runner makes of them, faults and poisoned rows included."""
    folder = tmp_path_factory.mktemp("calm")
    write_rows(folder / "rows.jsonl", ROWS, POISONED)
    with mock_server(*FAULTS) as url:
        done = run(generate(folder / "rows.jsonl", folder / "local.jsonl", url))
    assert done.returncode == 3, done.stderr
    return folder


def start(line: list[str]) -> AbstractContextManager[subprocess.Popen[Any]]:
    return started(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def without_urls(found: dict[str, object]) -> dict[str, object]:
    """The address of the server differs from test to test, and what was reused after a loss."""
    recipe = found.pop("recipe")
    assert isinstance(recipe, dict)
    del recipe["recipe"]["base_url"]
    return {**found, "recipe": recipe}


def rows_of(found: dict[str, object]) -> dict[str, object]:
    return {name: content for name, content in found.items() if name.endswith("jsonl")}


def test_the_files_are_those_of_the_local_runner_and_a_poisoned_row_fails_alone(
    nodes: Nodes, calm: Path, tmp_path: Path
) -> None:
    with mock_server(*FAULTS) as url:
        done = run(generate(calm / "rows.jsonl", tmp_path / "ray.jsonl", url, *ray(nodes)))
        assert done.returncode == 3, done.stdout + done.stderr
        assert stats(url)["answered_again"] == 0
    assert without_urls(files(tmp_path / "ray.jsonl")) == without_urls(files(calm / "local.jsonl"))
    over_long = [row for row in read_rows(tmp_path / "ray.failed.jsonl") if len(row["prompt"]) > 10_000]
    assert [int(row["id"]) for row in over_long] == sorted(POISONED)
    assert not (tmp_path / "ray.ray").exists()
    assert f"3 nodes at {nodes.address}, dashboard " in done.stdout


def test_a_node_that_is_lost_in_the_middle_loses_no_row(nodes: Nodes, calm: Path, tmp_path: Path) -> None:
    extra = nodes.add()
    with mock_server(*FAULTS, "--latency", "0.3") as url:
        line = generate(calm / "rows.jsonl", tmp_path / "ray.jsonl", url, *ray(nodes, "--actors", 3))
        with start(line) as process:
            wait_for(url, ROWS // 3, process)
            nodes.remove(extra)
            told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3, told
        assert stats(url)["answered_again"] <= BATCH
    assert rows_of(files(tmp_path / "ray.jsonl")) == rows_of(files(calm / "local.jsonl"))


def test_a_driver_that_is_killed_goes_on_with_the_same_command(nodes: Nodes, calm: Path, tmp_path: Path) -> None:
    with mock_server(*FAULTS, "--latency", "0.3") as url:
        line = generate(calm / "rows.jsonl", tmp_path / "ray.jsonl", url, *ray(nodes, "--actors", 2))
        with start(line) as process:
            wait_for(url, ROWS // 2, process)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        assert not (tmp_path / "ray.jsonl").exists()
        done = run(line)
        assert done.returncode == 3, done.stdout + done.stderr
        assert stats(url)["answered_again"] <= 2 * BATCH
    assert rows_of(files(tmp_path / "ray.jsonl")) == rows_of(files(calm / "local.jsonl"))
    reused = json.loads((tmp_path / "ray.summary.json").read_bytes())["stages"]["generate"]["reused"]
    assert reused >= ROWS // 2 - 2 * BATCH - 2 * len(POISONED)


def test_what_one_runner_finished_the_other_reuses(nodes: Nodes, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 96)
    write_rows(tmp_path / "some.jsonl", 40)
    with mock_server() as url:
        assert run(generate(tmp_path / "some.jsonl", tmp_path / "x.jsonl", url)).returncode == 0
        done = run(generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", url, *ray(nodes)))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "40 finished calls reused" in done.stdout
        again = run(generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", url))
        assert "96 finished calls reused" in again.stdout
        assert stats(url)["answered"] == 96


def test_what_a_killed_driver_left_the_local_runner_takes_up(nodes: Nodes, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 200)
    with mock_server("--latency", "0.3", "--reply-tokens", "60") as url:
        line = generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", url)
        with start([*line, *map(str, ray(nodes, "--actors", 1, "--batch-size", 16))]) as process:
            wait_for(url, 120, process)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        done = run(line)
        assert done.returncode == 0, done.stdout + done.stderr
        assert stats(url)["answered_again"] <= 2 * 16
    assert not (tmp_path / "x.ray").exists()


def test_an_output_at_an_address_has_the_same_rows_and_is_held_by_one_run(nodes: Nodes, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 48)
    with mock_server("--reply-tokens", "60", "--latency", "5") as url:
        assert run(generate(tmp_path / "rows.jsonl", tmp_path / "local.jsonl", url)).returncode == 0
        line = [*generate(tmp_path / "rows.jsonl", f"local://{tmp_path}/far/x.jsonl", url), *map(str, ray(nodes))]
        with start(line) as first:
            wait_until(lambda: list((tmp_path / "far").glob("x.ray/*/generate/rows.arrow")), first)
            second = run(line)
            told, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, told
    assert second.returncode == 1
    assert "another process on this cluster is writing this output" in second.stderr
    assert (tmp_path / "far" / "x.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


def test_a_whole_run_has_the_files_of_the_local_runner(nodes: Nodes, tmp_path: Path) -> None:
    with mock_server("--reply-tokens", "60") as url:
        options = ["endpoint", "--base-url", url, "--model", "mock", "--concurrency", 16, "--set", "encode.skip=true"]
        for name, more in (("local", []), ("ray", ray(nodes))):
            line = command("run", *options, "--target", 20, "--output-dir", tmp_path / name, *more)
            done = run(line)
            assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (tmp_path / "local").glob("*.json*"))
    assert len(names) > 5
    for name in set(names) - {"summary.json"}:
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
    assert len(list(read_rows(tmp_path / "ray" / "filter.jsonl"))) == 20


def test_a_vllm_server_in_a_worker_writes_problems(nodes: Nodes, tmp_path: Path) -> None:
    sampled = run(command("sample", "--data_path", "nano", "--data_size", 24, "--output_path", tmp_path / "s.jsonl"))
    assert sampled.returncode == 0, sampled.stderr
    line = command("generate", "--data-path", tmp_path / "s.jsonl", "--output-path", tmp_path / "g.jsonl")
    line += ["--engine", "vllm", "--dtype", "float32", "--max-len", "300", "--concurrency", "16"]
    done = run([*line, *map(str, ray(nodes, "--actors", 1))])
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(read_rows(tmp_path / "g.jsonl"))
    assert len(rows) > 12
    assert all(row["problem"] and row["finish_reason"] == "stop" for row in rows)
