"""The cluster: joined within bounded time, and looked over before the first row.

Decides what is said when an address does not answer, when a node has another Python, Ray or promptcot, when it does not
see the folder of the work, and when no node is large enough for a worker. Ray's own chatter goes to its log files; it
reports nothing to its makers.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from promptcot import __version__
from promptcot.errors import InputError, LockedError, PromptCoTError
from promptcot.storage.remote import Folder

_ANSWER = 5.0
_JOIN = 30.0
_LOOK = 120.0


class ClusterUnusable(PromptCoTError):
    """The cluster does not answer, or it cannot do this work."""


@dataclass(frozen=True)
class Need:
    """What a worker takes of its node."""

    cpus: float = 1.0
    gpus: float = 0.0

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU{'s' if self.cpus != 1 else ''}" + (
            f" and {self.gpus:g} GPU{'s' if self.gpus != 1 else ''}" if self.gpus else ""
        )


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process has joined; `dashboard` is its address, if there is one."""

    address: str
    dashboard: str | None
    held: list[Any] = field(default_factory=list, compare=False)
    """Actors that live as long as this process is joined."""

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that are alive."""
        import ray

        return sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))

    def rooms(self, need: Need) -> list[int]:
        """How many workers each node has room for, of those that have any."""
        return [room for node in self.nodes if (room := _room(node["Resources"], need))]

    def leave(self) -> None:
        """Ends the workers of this process; a cluster that it started ends too."""
        import ray

        with _signals_kept():
            ray.shutdown()


def join(address: str | None = None) -> Cluster:
    """Join the cluster at `address` (HOST:PORT, `auto`); None: the one on this machine, or else a new one there.

    Raises ClusterUnusable.
    """
    os.environ.setdefault("RAY_usage_stats_enabled", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ core would write warnings into our lines
    import ray

    if address and address.startswith("ray://"):
        raise ClusterUnusable(
            f"{address}: this is an address of Ray's client, which cannot write rows: run the command on a node of the "
            "cluster, with --ray-address auto"
        )
    address = address or os.environ.get("RAY_ADDRESS")
    if address and ":" in address:
        _knock(address)
    with _signals_kept(), _stderr_muted():
        context = _bounded(lambda: ray.init(address=address, log_to_driver=False, logging_level="ERROR"), address)
    _hush()
    dashboard = context.dashboard_url
    return Cluster(context.address_info["gcs_address"], f"http://{dashboard}" if dashboard else None)


def _knock(address: str) -> None:
    """Raises ClusterUnusable when nobody listens there; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, ValueError) as error:
        raise ClusterUnusable(f"{address}: no Ray cluster answers there ({error}). {_WAYS}") from error


def _bounded(init: Callable[[], Any], address: str | None) -> Any:
    """What `init` returns, within bounded time where it is given an address. Raises ClusterUnusable.

    A new cluster is started in this thread: its processes end with the thread that started them.
    """
    found: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            found.append(init())
        except Exception as error:
            errors.append(error)

    if address:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(_JOIN)
    else:
        run()
    if found:
        return found[0]
    where = address or "Ray on this machine"
    if not errors:
        raise ClusterUnusable(f"{where}: something listens there, but no Ray cluster answered in {_JOIN:g} s. {_WAYS}")
    if "mismatch" in str(errors[0]).lower():
        raise ClusterUnusable(f"{where}: {_one_line(errors[0])}. Use the same versions on all machines") from errors[0]
    raise ClusterUnusable(f"{where}: cannot be joined ({_one_line(errors[0])}). {_WAYS}") from errors[0]


_WAYS = "`ray status` shows whether a cluster runs, `ray start --head` starts one; docs/scale.md has more"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray sets its own handler for SIGTERM; ours stays."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        with suppress(ValueError):  # not in the main thread, where Ray sets none either
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextmanager
def _stderr_muted() -> Iterator[None]:
    """Ray's C++ core greets on the descriptor itself; what matters comes as an exception."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _hush() -> None:
    """Ray Data's own lines go to its log files only, and its advice about few blocks nowhere."""
    import ray.data

    warnings.filterwarnings("ignore", module=r"ray\.data")

    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def hold(cluster: Cluster, folder: Folder) -> None:
    """Keep others from working in a folder at an address, where no file can be locked.

    The name is this process's on the cluster until it leaves; another cluster does not know it. Raises LockedError.
    """
    import ray

    name = f"holds {folder.parent.path}"
    try:
        cluster.held.append(ray.remote(num_cpus=0)(_Holder).options(name=name, namespace="promptcot").remote())
    except ValueError as error:
        raise LockedError(f"{folder.parent.path}: another process on this cluster is writing this output") from error


class _Holder:
    """Exists."""


def look_over(cluster: Cluster, folder: Folder, variables: Sequence[str] = ()) -> None:
    """Have every node tell its versions, look for a file in `folder`, and say which environment variables it lacks.

    Raises ClusterUnusable, InputError.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    name = f"seen-{secrets.token_hex(8)}"
    folder.write(name, b"")
    look = ray.remote(num_cpus=0, max_retries=0)(_eyes())
    try:
        asked = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                folder.system, f"{folder.path}/{name}", list(variables)
            ): _name(node)
            for node in cluster.nodes
        }
        ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK)
        if late:
            names = ", ".join(sorted(asked[one] for one in late))
            raise ClusterUnusable(f"{names}: started no worker within {_LOOK:g} s; look at `ray status`")
        told = [(asked[one], *ray.get(one)) for one in ready]
    finally:
        with suppress(OSError):
            folder.system.delete_file(f"{folder.path}/{name}")
    _judge_versions(sorted(told))
    if lacking := sorted(f"{node} lacks {', '.join(lacks)}" for node, _, _, _, lacks in told if lacks):
        raise InputError(
            f"{'; '.join(lacking)}: workers have the environment that `ray start` had on their node, not this one; "
            "set the variable there, and start the node again"
        )
    if blind := sorted(node for node, _, _, seen, _ in told if not seen):
        raise InputError(
            f"{folder.path}: this folder of the driver is not seen on {', '.join(blind)}. Put the output on a file "
            "system that all machines share, or at an address such as s3://BUCKET/NAME.jsonl"
        )


def _eyes() -> Callable[[Any, str, list[str]], tuple[str, str, bool, list[str]]]:
    """A function that is sent by value: the node may have no promptcot, or another one."""

    def look(system: Any, path: str, variables: list[str]) -> tuple[str, str, bool, list[str]]:
        import os
        import platform

        try:
            from promptcot import __version__ as version
        except ImportError:
            version = "none"
        lacks = [name for name in variables if name not in os.environ]
        return platform.python_version(), version, system.get_file_info(path).is_file, lacks

    return look


def _name(node: Mapping[str, Any]) -> str:
    return f"node {node['NodeManagerHostname']} ({str(node['NodeID'])[:8]})"


def _judge_versions(told: Sequence[tuple[str, str, str, bool, list[str]]]) -> None:
    ours = (platform.python_version(), __version__)
    for node, python, version, *_ in told:
        if (_minor(python), version) != (_minor(ours[0]), ours[1]):
            raise ClusterUnusable(
                f"{node} has Python {python} and promptcot {version}; here are Python {ours[0]} and promptcot "
                f"{ours[1]}. Install the same on all machines, or start the nodes from one image"
            )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def place(cluster: Cluster, need: Need, least: int, most: int) -> tuple[int, int, str]:
    """How many workers to begin with and to have at most, and what the others wait for, in words.

    Raises ClusterUnusable where not one of them fits on any node.
    """
    fit = sum(cluster.rooms(need))
    if fit == 0:
        raise ClusterUnusable(
            f"a worker takes {need} of one node, and no node has as much: {_inventory(cluster)}. Start larger nodes "
            "first, or ask for less (--n-gpus, --gpus-per-actor, or a smaller model)"
        )
    held = f"{least - fit} workers wait for {need} each, the cluster has {_inventory(cluster)}" if fit < least else ""
    return min(least, fit), max(1, most), held


def _inventory(cluster: Cluster) -> str:
    nodes = [Need(node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0)) for node in cluster.nodes]
    return f"{len(nodes)} node{'s' if len(nodes) != 1 else ''} with {'; '.join(map(str, nodes))}"


def _room(resources: Mapping[str, float], need: Need) -> int:
    rooms = [
        int(resources.get(name, 0) / amount) for name, amount in (("CPU", need.cpus), ("GPU", need.gpus)) if amount
    ]
    return min(rooms, default=0)
