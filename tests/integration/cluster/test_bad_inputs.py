"""What is wrong is said before the first row: with what, where, and the way out."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptcot.errors import InputError
from promptcot.runners.cluster import nodes as ray_cluster
from promptcot.runners.cluster.nodes import Cluster, ClusterUnusable, Need, join, look_over, place
from promptcot.storage.remote import Folder
from tests.integration.ray.clusters import Nodes, command, generate, mock_server, run, stats, write_rows
from tests.programs import finished, started, wait_until

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def joined(nodes: Nodes) -> Iterator[Cluster]:
    cluster = join(nodes.address)
    yield cluster
    cluster.leave()


def test_an_address_where_nobody_listens_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    write_rows(tmp_path / "rows.jsonl", 2)
    line = generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", "http://127.0.0.1:9/v1")
    done = run([*line, "--runner", "ray", "--ray-address", f"127.0.0.1:{port}"])
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: no Ray cluster answers there" in done.stderr
    assert "ray start --head" in done.stderr


def test_an_address_where_something_else_listens_is_given_up_within_bounded_time() -> None:
    program = (
        "import os; from promptcot.runners.cluster import nodes as c; c._JOIN = 3.0\n"
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
    joined: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ray_cluster.__version__
    monkeypatch.setattr(ray_cluster, "__version__", "99.0")
    with pytest.raises(
        ClusterUnusable, match=rf"node \S+ .* promptcot {ours}; here are Python \S+ and promptcot 99\.0"
    ):
        look_over(joined, Folder.at(tmp_path))


def test_a_node_with_another_python_is_named_with_both_versions(
    joined: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = platform.python_version()
    monkeypatch.setattr(ray_cluster.platform, "python_version", lambda: "3.99.1")
    with pytest.raises(ClusterUnusable, match=rf"has Python {theirs} and .*; here are Python 3\.99\.1 and"):
        look_over(joined, Folder.at(tmp_path))


def test_an_output_that_the_workers_cannot_see_is_said_before_the_first_row(nodes: Nodes, tmp_path: Path) -> None:
    """A path below /proc/self is another folder in each process."""
    write_rows(tmp_path / "rows.jsonl", 8)
    with mock_server() as url:
        line = generate(tmp_path / "rows.jsonl", Path("/proc/self/cwd/x.jsonl"), url)
        done = run([*line, "--runner", "ray", "--ray-address", nodes.address], cwd=tmp_path)
        assert stats(url)["requests"] == 0
    assert done.returncode == 1
    assert "this folder of the driver is not seen on node" in done.stderr
    assert "s3://" in done.stderr


def test_a_variable_that_the_nodes_lack_is_named(joined: Cluster, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"node \S+ \(\w+\) lacks NO_SUCH_KEY; .*: workers have the environment"):
        look_over(joined, Folder.at(tmp_path), ["PATH", "NO_SUCH_KEY"])


def test_a_cap_in_the_recipe_is_refused_like_the_option(nodes: Nodes, tmp_path: Path) -> None:
    line = command(
        "run", "endpoint", "--base-url", "http://127.0.0.1:9/v1", "--model", "mock", "--output-dir", tmp_path
    )
    capped = ["--set", "run.max_cost=1", "--set", "server.price.prompt=1", "--set", "server.price.completion=1"]
    done = run([*line, *capped, "--set", "encode.skip=true", "--runner", "ray", "--ray-address", nodes.address])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "workers do not share a budget" in done.stderr


def test_a_folder_that_all_nodes_see_is_fine(joined: Cluster, tmp_path: Path) -> None:
    look_over(joined, Folder.at(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_more_gpus_than_any_node_has_are_refused_and_it_is_said_what_there_is(nodes: Nodes, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 8)
    line = generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", "http://127.0.0.1:9/v1")
    done = run([*line, "--runner", "ray", "--ray-address", nodes.address, "--gpus-per-actor", "2"])
    assert done.returncode == 1
    assert "a worker takes 1 CPU and 2 GPUs of one node, and no node has as much: 3 nodes with" in done.stderr


def test_workers_that_have_to_wait_are_told_of_with_what_they_wait_for(joined: Cluster) -> None:
    least, most, held = place(joined, Need(1), 11, 12)
    assert (least, most) == (8, 12)
    assert "3 workers wait for 1 CPU each, the cluster has 3 nodes with" in held


def test_the_second_run_on_one_output_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 64)
    with mock_server("--latency", "2") as url:
        line = [*generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", url)]
        line += ["--runner", "ray", "--ray-address", nodes.address]
        with started(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as first:
            wait_until((tmp_path / "x.jsonl.partial").exists, first)
            second = run(line)
    assert second.returncode == 1
    assert "another process is writing this output" in second.stderr


def test_a_command_without_the_runner_does_not_take_its_options(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 2)
    done = run([*generate(tmp_path / "rows.jsonl", tmp_path / "x.jsonl", "http://127.0.0.1:9/v1"), "--actors", "2"])
    assert done.returncode == 2 or "need --runner ray" in done.stderr
    assert "need --runner ray" in done.stderr


def test_a_folder_that_cannot_be_made_is_an_error_of_storage_or_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises((InputError, Exception), match="cannot be made"):
        Folder.at(tmp_path / "file" / "x").make()
