"""Connects to the cluster within a time limit, and checks its nodes before the first server starts.

Decides what is reported when the address does not answer, and when a node has another version of Python, Ray or
promptcot. Ray's own output goes to its log files, and its usage reports are turned off.
"""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from promptcot import __version__
from promptcot.engines.cluster.division import Room
from promptcot.errors import PromptCoTError
from promptcot.interruption import handlers_kept

_ANSWER = 5.0
_JOIN = 30.0
_LOOK = 120.0


class ClusterUnusable(PromptCoTError):
    """The cluster does not answer, or it cannot run these models."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to; `dashboard` is its address, if there is one."""

    address: str
    dashboard: str | None
    was_joined: bool = False
    """Whether the process was connected before, for its own purposes."""

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that are alive."""
        import ray

        return sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))

    def leave(self) -> None:
        """Stop the remaining servers of this process, and disconnect."""
        import ray

        if not self.was_joined:
            with handlers_kept():
                ray.shutdown()


def join(address: str) -> Cluster:
    """Connect to the cluster at `address`: HOST:PORT, or `auto` for the cluster of this machine.

    Raises ClusterUnusable.
    """
    os.environ.setdefault("RAY_usage_stats_enabled", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ core would write warnings between our lines
    import ray

    if address and address.startswith("ray://"):
        raise ClusterUnusable(
            f"{address}: this is an address of Ray's client, which cannot reach servers: run the command on a "
            "node of the cluster, with --ray-address auto"
        )
    if ray.is_initialized():
        return Cluster(ray.get_runtime_context().gcs_address, None, was_joined=True)
    if ":" in address:
        _knock(address)
    with handlers_kept(), _stderr_muted():
        context = _bounded(lambda: ray.init(address=address, log_to_driver=False, logging_level="ERROR"), address)
    dashboard = context.dashboard_url
    return Cluster(context.address_info["gcs_address"], f"http://{dashboard}" if dashboard else None)


def _knock(address: str) -> None:
    """Raises ClusterUnusable if nothing listens there; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, ValueError) as error:
        raise ClusterUnusable(f"{address}: no Ray cluster answers there ({error}). {_WAYS}") from error


def _bounded(init: Callable[[], Any], address: str) -> Any:
    """The result of `init`, within a time limit. Raises ClusterUnusable."""
    found: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            found.append(init())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_JOIN)
    if found:
        return found[0]
    where = "Ray on this machine" if address == "auto" else address
    if not errors:
        raise ClusterUnusable(f"{where}: something listens there, but no Ray cluster answered in {_JOIN:g} s. {_WAYS}")
    if "mismatch" in str(errors[0]).lower():
        raise ClusterUnusable(f"{where}: {_one_line(errors[0])}. Use the same versions on all machines") from errors[0]
    raise ClusterUnusable(f"{where}: cannot be joined ({_one_line(errors[0])}). {_WAYS}") from errors[0]


_WAYS = (
    "Write HOST:PORT, or auto for the cluster that this machine is part of; `ray status` shows whether one runs, "
    "`ray start --head` starts one; docs/scale.md has more"
)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _stderr_muted() -> Iterator[None]:
    """Ray's C++ core writes its greeting to the file descriptor; errors are raised as exceptions."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def look_over(nodes: Sequence[Mapping[str, Any]]) -> list[Sight]:
    """The versions and GPUs that each of these nodes reports.

    A node that is lost in the meantime is left out. Raises ClusterUnusable if one does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_eyes())
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(): node
        for node in nodes
    }
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK)
    if late:
        names = ", ".join(sorted(name_of(asked[one]) for one in late))
        raise ClusterUnusable(f"{names}: started no worker within {_LOOK:g} s; look at `ray status`")
    return [sight for one in ready if (sight := _sight(asked[one], one)) is not None]


def _sight(node: Mapping[str, Any], report: Any) -> Sight | None:
    import ray

    try:
        return Sight(node["NodeID"], name_of(node), *ray.get(report))
    except ray.exceptions.RayError as error:
        if any(other["NodeID"] == node["NodeID"] and other["Alive"] for other in ray.nodes()):
            words = "died" if isinstance(error, ray.exceptions.WorkerCrashedError) else _one_line(error)
            raise ClusterUnusable(f"{name_of(node)} cannot be checked: {words}") from error
        return None


def _eyes() -> Callable[[], tuple[str, str, list[int]]]:
    """A function that is serialized by value: the node may have no promptcot, or another version."""

    def look() -> tuple[str, str, list[int]]:
        import platform

        memory: list[int] = []
        try:
            from promptcot import __version__ as version
            from promptcot.engines.machine import visible_gpus

            memory = [gpu.memory_total for gpu in visible_gpus({})]
        except ImportError:
            version = "none"
        return platform.python_version(), version, memory

    return look


def name_of(node: Mapping[str, Any]) -> str:
    """A node's name for display."""
    return f"node {node['NodeManagerHostname']} ({str(node['NodeID'])[:8]})"


@dataclass(frozen=True)
class Sight:
    """A node's report; `memory` is in bytes, for each GPU."""

    node: str
    name: str
    python: str
    version: str
    memory: Sequence[int]

    def check(self) -> None:
        """Raises ClusterUnusable if the versions of Python or promptcot differ from the driver's."""
        ours = (platform.python_version(), __version__)
        if (_minor(self.python), self.version) != (_minor(ours[0]), ours[1]):
            raise ClusterUnusable(
                f"{self.name} has Python {self.python} and promptcot {self.version}; this machine has Python {ours[0]} "
                f"and promptcot {ours[1]}. Install the same on all machines, or start the nodes from one image"
            )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def rooms_of(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Room]:
    """The resources of each node, by its id."""
    return {
        node["NodeID"]: Room(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)) for node in nodes
    }


def inventory(nodes: Sequence[Mapping[str, Any]], wanted: Room) -> str:
    """The cluster's resources of the requested kind, as text."""
    said = {
        room: f"{room}" if room.gpus or not wanted.gpus else f"{room} and 0 GPUs" for room in rooms_of(nodes).values()
    }
    rooms = Counter(said[room] for room in rooms_of(nodes).values())
    each = [f"{count} with {room}" for room, count in sorted(rooms.items())]
    return f"{len(nodes)} node{'s' if len(nodes) != 1 else ''}: {'; '.join(each)}"
