"""Errors of cluster settings: what is wrong, where, and the remedy."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptcot.engines.cluster import nodes as cluster_nodes
from promptcot.engines.cluster.nodes import Cluster, ClusterUnusable, join, look_over
from promptcot.nano import resolve
from tests.integration.cluster.clusters import CPUS, Nodes, answered, command, generate, servers, write_rows
from tests.programs import PATIENCE, finished, started, wait_until

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def joined(nodes: Nodes) -> Iterator[Cluster]:
    cluster = join(nodes.address)
    yield cluster
    cluster.leave()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.jsonl", 40)
    return tmp_path / "rows.jsonl"


def test_an_address_where_nobody_listens_is_said(rows: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = finished(generate(rows, rows.parent / "x.jsonl", "", "--ray-address", f"127.0.0.1:{port}"))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: no Ray cluster answers there" in done.stderr
    assert "ray start --head" in done.stderr


def test_an_address_where_something_else_listens_is_given_up_within_bounded_time() -> None:
    program = (
        "import os; from promptcot.engines.cluster import nodes as c; c._JOIN = 3.0\n"
        "try: c.join(os.environ['WHERE'])\nexcept c.ClusterUnusable as error: print(error, flush=True)\nos._exit(0)"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        done = finished([sys.executable, "-c", program], env={**os.environ, "WHERE": where})
    assert f"{where}: something listens there, but no Ray cluster answered in 3 s" in done.stdout


def test_the_address_of_rays_client_is_refused_with_the_way_out() -> None:
    with pytest.raises(ClusterUnusable, match="run the command on a node of the cluster"):
        join("ray://127.0.0.1:10001")


def test_a_node_with_another_promptcot_is_named_with_both_versions(
    joined: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = cluster_nodes.__version__
    monkeypatch.setattr(cluster_nodes, "__version__", "99.0")
    with pytest.raises(
        ClusterUnusable, match=rf"node \S+ .* promptcot {ours}; this machine has Python \S+ and promptcot 99\.0"
    ):
        look_over(joined.nodes)[0].check()


def test_a_node_with_another_python_is_named_with_both_versions(
    joined: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = platform.python_version()
    monkeypatch.setattr(cluster_nodes.platform, "python_version", lambda: "3.99.1")
    with pytest.raises(ClusterUnusable, match=rf"has Python {theirs} and .*; this machine has Python 3\.99\.1 and"):
        look_over(joined.nodes)[0].check()


def test_more_gpus_than_the_cluster_has_are_waited_for_and_given_up(nodes: Nodes, rows: Path) -> None:
    options = ["--gpus-per-actor", "2", "--ray-wait", "12", *nodes.options]
    done = finished(generate(rows, rows.parent / "x.jsonl", "", *options))
    assert done.returncode == 1
    nodes_there = "3 nodes: 1 with 0 CPUs and 0 GPUs; 2 with 4 CPUs and 0 GPUs"
    lacking = f"mock: a server takes 1 CPU and 2 GPUs of one node, and the cluster has {nodes_there}"
    assert lacking in done.stderr
    assert "The command waited" in done.stderr
    assert "--gpus-per-actor" in done.stderr
    assert lacking in done.stdout
    assert "The command waits up to 12 s for it (--ray-wait)" in done.stdout


def test_more_servers_than_there_is_room_for_are_said_and_the_work_goes_on(nodes: Nodes, rows: Path) -> None:
    options = ["--actors", "11", *nodes.options]
    done = finished(generate(rows, rows.parent / "x.jsonl", "--latency 2.0", *options))
    assert done.returncode == 0, done.stderr
    assert f"mock: {11 - 2 * CPUS} more servers would take 1 CPU of one node each, but there is no room" in done.stdout


def test_a_model_that_nodes_do_not_see_is_said_for_each_of_them(nodes: Nodes, rows: Path) -> None:
    """A path below /proc/self is another folder in each process."""
    shutil.copytree(resolve("nano", "generator"), rows.parent / "model")
    line = command("generate", "--data-path", rows, "--output-path", rows.parent / "x.jsonl")
    done = finished([*line, "--model-path", "/proc/self/cwd/model", *nodes.options], cwd=rows.parent)
    assert done.returncode == 1
    assert "/proc/self/cwd/model: no server can run. node" in done.stderr
    assert "no such model folder" in done.stderr


def test_a_server_that_cannot_be_reached_is_said_with_the_way_out(nodes: Nodes, rows: Path) -> None:
    done = finished(generate(rows, rows.parent / "x.jsonl", "--say http://127.0.0.1:9/v1", *nodes.options))
    assert done.returncode == 1
    assert "its server runs at http://127.0.0.1:9/v1, but cannot be reached from here" in done.stderr
    assert "--server-ports" in done.stderr


def test_servers_listen_where_they_may(nodes: Nodes, rows: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    options = ["--server-ports", f"{port}:{port + 20}", "--actors", "1"]
    with started(
        generate(rows, rows.parent / "x.jsonl", f"--latency 5.0 --log {rows.parent / 'log'}", *options, *nodes.options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        wait_until(lambda: servers(rows.parent / "log"), process)
        [server] = servers(rows.parent / "log")
        wait_until(lambda: _listening(server) & set(range(port, port + 21)), process)
        assert process.wait(PATIENCE) == 0


def _listening(pid: int) -> set[int]:
    import psutil

    return {found.laddr.port for found in psutil.Process(pid).net_connections() if found.status == psutil.CONN_LISTEN}


def test_a_node_that_joins_without_the_model_is_said_and_left_alone(nodes: Nodes, rows: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = generate(rows, tmp_path / "x.jsonl", f"--latency 15.0 --log {log}", "--actors", "1:9", *nodes.options)
    with started(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        wait_until(lambda: len(servers(log)) == 2, process)
        joined = nodes.add_with({"PLACED_FAIL": "no such model folder here"})
        try:
            told, _ = process.communicate(timeout=PATIENCE)
        finally:
            nodes.remove(joined)
    assert process.returncode == 0, told
    assert "has joined" in told
    assert "is not tried there again: no such model folder here" in told
    assert answered(log).total() == 40


def test_the_second_run_on_one_output_is_refused(nodes: Nodes, rows: Path) -> None:
    log = rows.parent / "log"
    line = generate(rows, rows.parent / "x.jsonl", f"--latency {10 * PATIENCE} --log {log}", *nodes.options)
    with started(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as first:
        wait_until(lambda: servers(log), first)
        second = finished(line)
    assert second.returncode == 1
    assert "another process is writing this output" in second.stderr


def test_two_runs_on_one_cluster_do_not_meet(nodes: Nodes, rows: Path) -> None:
    """Each server asks for the key of its own run; a call that went to the other's would fail."""
    lines = [
        generate(rows, rows.parent / f"{name}.jsonl", f"--latency 1.0 --log {rows.parent / name}", *nodes.options)
        for name in "ab"
    ]
    with started(lines[0], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as first:
        second = finished(lines[1])
        told, _ = first.communicate(timeout=PATIENCE)
    assert (first.returncode, second.returncode) == (0, 0), told + second.stdout + second.stderr
    for name in "ab":
        assert answered(rows.parent / name).total() == 40
    assert (rows.parent / "a.jsonl").read_bytes() == (rows.parent / "b.jsonl").read_bytes()


def test_the_key_of_a_run_stands_in_no_file_and_in_no_list_of_processes(nodes: Nodes, rows: Path) -> None:
    """The program says its key to nobody, so the test has it fixed."""
    program = rows.parent.parent / f"{rows.parent.name}.py"
    program.write_text(
        "import secrets, sys; secrets.token_urlsafe = lambda n: 'SECRET-OF-THE-RUN'\n"
        "from promptcot.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    line = generate(rows, rows.parent / "x.jsonl", f"--latency 2.0 --log {rows.parent / 'log'}", *nodes.options)
    with started(
        [sys.executable, str(program), *line[3:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        wait_until(lambda: len(servers(rows.parent / "log")) == 2, process)
        listed = subprocess.run(["ps", "-eww", "-o", "args="], capture_output=True, text=True, check=True).stdout
        told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    logs = [path for path in Path("/tmp/ray/session_latest/logs").rglob("*") if path.is_file()]
    assert logs
    written = [path for path in [*rows.parent.rglob("*"), *logs] if path.is_file()]
    assert "SECRET-OF-THE-RUN" not in told + listed
    assert [path for path in written if b"SECRET-OF-THE-RUN" in path.read_bytes()] == []
