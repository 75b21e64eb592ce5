"""The options for serving models on a Ray cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from promptcot.cli.parameters import ABOVE_ZERO, COUNT, NOT_NEGATIVE, together
from promptcot.engines.cluster.scale import Scale
from promptcot.errors import UsageError

_HOW = ("actors", "gpus_per_actor", "nodes_per_actor", "ray_wait", "server_ports")


def _actors(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)(?::(\d+))?", value or "")
    if value is None:
        return None
    if found is None or not 1 <= int(found[1]) <= int(found[2] or found[1]):
        raise click.BadParameter("write the number of servers, or MIN:MAX with 1 <= MIN <= MAX, such as 2:8")
    return int(found[1]), int(found[2] or found[1])


def _ports(ctx: click.Context, param: click.Parameter, value: str | None) -> range | None:
    found = re.fullmatch(r"(\d+):(\d+)", value or "")
    if value is None:
        return None
    if found is None or not 1 <= int(found[1]) <= int(found[2]) <= 65535:
        raise click.BadParameter("write the first and the last port, such as 20000:20100, at most 65535")
    return range(int(found[1]), int(found[2]) + 1)


def _no_batches(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.BadParameter(
            "rows are no longer sent to the cluster in batches: this process sends one request per row. Leave this "
            "option out; --concurrency limits the concurrent requests"
        )


cluster_options = together(
    click.option(
        "--runner",
        type=click.Choice(["local", "ray"]),
        help="Where models are served: on this machine, or on a Ray cluster; ray is short for --ray-address auto.  "
        "[default: local]",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Serve models on the Ray cluster at HOST:PORT; auto means the cluster that this machine belongs to.",
    ),
    click.option(
        "--actors",
        callback=_actors,
        metavar="N|MIN:MAX",
        help="Number of servers per model on the cluster, fixed or autoscaled between MIN and MAX.  "
        "[default: the model's share of the cluster]",
    ),
    click.option(
        "--gpus-per-actor",
        type=NOT_NEGATIVE,
        help="GPUs per server.  [default: --n-gpus, else the fewest that hold the model]",
    ),
    click.option(
        "--nodes-per-actor",
        type=COUNT,
        help="Nodes that one vLLM server spans.  [default: as many as its GPUs need]",
    ),
    click.option(
        "--ray-wait",
        type=ABOVE_ZERO,
        help="How long to wait for free resources on the cluster.  [default: 600]",
        metavar="SECONDS",
    ),
    click.option(
        "--server-ports",
        callback=_ports,
        metavar="FIRST:LAST",
        help="Range of ports that servers on the cluster may listen on.  [default: any]",
    ),
)
"""The options that say where models are served; `take_scale` reads them."""

no_batches = click.option("--batch-size", callback=_no_batches, expose_value=False, hidden=True)
"""An option of earlier versions, refused with the reason."""


def take_scale(options: Mapping[str, Any]) -> tuple[Scale | None, dict[str, Any]]:
    """The scale of the cluster, or None for this machine, and the other options, which alone determine the results.

    Raises UsageError.
    """
    rest = dict(options)
    runner, address = rest.pop("runner"), rest.pop("ray_address")
    how = {name: rest.pop(name) for name in _HOW}
    if runner == "local" and address is not None:
        raise UsageError(f"--runner local and --ray-address {address} cannot be combined")
    if runner != "ray" and address is None:
        if given := [f"--{name.replace('_', '-')}" for name, value in how.items() if value is not None]:
            raise UsageError(f"{', '.join(given)}: needs --ray-address, the address of the Ray cluster")
        return None, rest
    default = Scale()
    ports, wait = how["server_ports"] or default.ports, how["ray_wait"] or default.wait
    spread = (how["actors"], how["gpus_per_actor"], how["nodes_per_actor"])
    return Scale(address or default.address, *spread, wait, ports), rest
