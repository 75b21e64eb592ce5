"""Models on a cluster give the same files as local ones, even if servers or nodes are lost."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from promptcot.storage.rows import read_rows
from tests.fuzz.moments import Moment
from tests.integration.cluster.clusters import (
    Nodes,
    answered,
    command,
    endpoint,
    files,
    generate,
    journaled,
    servers,
    write_rows,
)
from tests.programs import PATIENCE, finished, python, started, wait_for_the_end_of, wait_until

pytestmark = pytest.mark.engines

ROWS = 480
CALLS = 16
"""At a time, of each server."""
POISONED = (7, 200)
FAULTS = "--rate-refusal 0.02 --rate-500 0.05 --context 4096"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows, and what the command makes of them without a cluster, faults and poisoned rows included."""
    folder = tmp_path_factory.mktemp("calm")
    write_rows(folder / "rows.jsonl", ROWS, POISONED)
    done = finished(generate(folder / "rows.jsonl", folder / "x.jsonl", FAULTS))
    assert done.returncode == 3, done.stderr
    return folder


def start(line: list[str]) -> AbstractContextManager[subprocess.Popen[Any]]:
    return started(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rows_of(found: dict[str, Any]) -> dict[str, Any]:
    return {name: content for name, content in found.items() if isinstance(content, bytes)}


def slow(log: Path, seconds: float = 0.3) -> str:
    return f"{FAULTS} --latency {seconds} --log {log}"


def wait_for(log: Path, calls: int, process: subprocess.Popen[Any]) -> None:
    """Until the servers have answered so many calls."""
    wait_until(lambda: answered(log).total() >= calls, process)


def assert_none_twice(output: Path, log: Path, lost: int) -> None:
    """No call that is in the journal was asked again, and of those that are not only the ones that were under way."""
    keys = journaled(output)
    assert len(keys) == len(set(keys))
    again = sum(count - 1 for count in answered(log).values())
    assert again <= lost, f"{again} calls were answered more than once"


def test_the_files_are_those_of_one_machine_and_a_poisoned_row_fails_alone(
    nodes: Nodes, calm: Path, tmp_path: Path
) -> None:
    done = finished(generate(calm / "rows.jsonl", tmp_path / "x.jsonl", FAULTS, *nodes.options))
    assert done.returncode == 3, done.stdout + done.stderr
    assert files(tmp_path / "x.jsonl") == files(calm / "x.jsonl")
    over_long = [row for row in read_rows(tmp_path / "x.failed.jsonl") if len(row["prompt"]) > 10_000]
    assert [int(row["id"]) for row in over_long] == sorted(POISONED)
    assert f"3 nodes at {nodes.address}" in done.stdout


def test_a_node_that_is_lost_in_the_middle_loses_no_row(nodes: Nodes, calm: Path, tmp_path: Path) -> None:
    extra, log = nodes.add(), tmp_path / "log"
    line = generate(calm / "rows.jsonl", tmp_path / "x.jsonl", slow(log, 1.0), "--actors", 3, *nodes.options)
    with start(line) as process:
        wait_for(log, ROWS // 3, process)
        nodes.remove(extra)
        told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, told
    assert "is lost" in told
    assert rows_of(files(tmp_path / "x.jsonl")) == {**rows_of(files(calm / "x.jsonl"))}
    assert_none_twice(tmp_path / "x.jsonl", log, CALLS)


def test_a_node_that_joins_is_used(nodes: Nodes, calm: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = generate(calm / "rows.jsonl", tmp_path / "x.jsonl", slow(log, 1.0), *nodes.options)
    with start(line) as process:
        wait_for(log, 2 * CALLS, process)
        before = set(servers(log))
        extra = nodes.add()
        wait_until(lambda: set(servers(log)) - before, process)
        told, _ = process.communicate(timeout=PATIENCE)
        nodes.remove(extra)
    assert process.returncode == 3, told
    assert "has joined" in told
    assert rows_of(files(tmp_path / "x.jsonl")) == rows_of(files(calm / "x.jsonl"))
    assert_none_twice(tmp_path / "x.jsonl", log, 0)


@pytest.mark.parametrize("on_cluster", [True, False], ids=["on the cluster", "without a cluster"])
def test_a_driver_that_is_killed_leaves_nothing_and_goes_on(
    nodes: Nodes, calm: Path, tmp_path: Path, on_cluster: bool
) -> None:
    log = tmp_path / "log"
    line = generate(calm / "rows.jsonl", tmp_path / "x.jsonl", slow(log))
    moment = Moment(ROWS // 2, r"^after write x\.journal/calls\.jsonl", to="self")
    killed = finished([*line, *nodes.options], env=moment.environment(tmp_path, tmp_path / "events"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    wait_for_the_end_of(servers(log))
    assert not (tmp_path / "x.jsonl").exists()
    kept = len(set(journaled(tmp_path / "x.jsonl")))
    done = finished([*line, *(nodes.options if on_cluster else [])])
    assert done.returncode == 3, done.stdout + done.stderr
    assert rows_of(files(tmp_path / "x.jsonl")) == rows_of(files(calm / "x.jsonl"))
    assert_none_twice(tmp_path / "x.jsonl", log, 2 * CALLS)
    reused = json.loads((tmp_path / "x.summary.json").read_bytes())["stages"]["generate"]["reused"]
    assert reused == kept == ROWS // 2


def test_what_was_finished_in_one_way_is_reused_in_the_other(nodes: Nodes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_rows(tmp_path / "rows.jsonl", 96)
    write_rows(tmp_path / "some.jsonl", 40)
    mock = f"--log {log}"
    assert finished(generate(tmp_path / "some.jsonl", tmp_path / "x.jsonl", mock)).returncode == 0
    done = finished(generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", mock, *nodes.options))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 finished calls reused" in done.stdout
    again = finished(generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", mock))
    assert "96 finished calls reused" in again.stdout
    assert answered(log).total() == 96


@pytest.mark.parametrize(
    "options", [("--target", 20), ("--max-candidates", 60, "--max-cost", 10)], ids=["target", "max-cost"]
)
def test_a_whole_run_has_the_files_of_one_machine(nodes: Nodes, tmp_path: Path, options: tuple[object, ...]) -> None:
    for name, more in (("local", []), ("placed", nodes.options)):
        done = finished(endpoint(tmp_path / name, *options, *more))
        assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (tmp_path / "local").glob("*.json*"))
    assert len(names) > 5
    for name in set(names) - {"summary.json"}:
        assert (tmp_path / "placed" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
    if "--target" in options:
        assert len(list(read_rows(tmp_path / "placed" / "filter.jsonl"))) == 20


def test_a_cap_on_cost_holds_on_a_cluster(nodes: Nodes, tmp_path: Path) -> None:
    done = finished(endpoint(tmp_path / "x", "--max-candidates", 500, "--max-cost", 0.02, *nodes.options))
    assert done.returncode == 1
    assert "0.02" in done.stderr
    spent = sum(
        json.loads(line)["cost"]
        for path in (tmp_path / "x").glob("*.journal/calls.jsonl")
        for line in path.read_text().splitlines()
    )
    assert 0 < spent <= 0.02


def test_the_embedded_models_on_a_cluster_write_what_they_write_here(nodes: Nodes, tmp_path: Path) -> None:
    for name, more in (("local", []), ("placed", ["--actors", "1", *nodes.options])):
        done = finished(command("run", "nano", "--max-candidates", 24, "--output-dir", tmp_path / name, *more))
        assert done.returncode == 0, done.stdout + done.stderr
    for path in sorted((tmp_path / "local").glob("*.jsonl")):
        assert (tmp_path / "placed" / path.name).read_bytes() == path.read_bytes(), path.name


def test_an_evaluation_and_a_call_from_python_are_served_on_the_cluster(nodes: Nodes, tmp_path: Path) -> None:
    options = ["--limit-rows", 2, "--n", 1, "--output-dir", tmp_path / "eval", "--actors", 1, *nodes.options]
    done = finished(command("eval", "nano", *options))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ray: 3 nodes" in done.stdout
    program = (
        "import promptcot, sys\n"
        "rows = [{'id': str(n), 'prompt': f'Design {n}.'} for n in range(9)]\n"
        "model = promptcot.Model(model='mock', engine='_placed:open_engine', engine_args=['--log', sys.argv[2]])\n"
        "made = promptcot.generate(rows, model=model, cluster=promptcot.Scale(sys.argv[1], actors=(1, 1)))\n"
        "print(len(made.rows), made.counts.calls)\n"
    )
    called = python(program, nodes.address, str(tmp_path / "log"))
    assert called.stdout.split() == ["9", "9"], called.stderr
    assert answered(tmp_path / "log").total() == 9
