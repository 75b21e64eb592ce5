"""`--runner ray`: the options that say how work is spread over a cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from promptcot.cli.parameters import COUNT, NOT_NEGATIVE, together
from promptcot.errors import UsageError
from promptcot.pipeline.cluster import BATCHES, GROWTH, Scale

_OPTIONS = ("runner", "ray_address", "actors", "gpus_per_actor", "batch_size")


def _actors(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)(?::(\d+))?", value or "")
    if value is None:
        return None
    if found is None or not 1 <= int(found[1]) <= int(found[2] or found[1]):
        raise click.BadParameter("write the number of workers, or MIN:MAX, such as 2:8")
    return int(found[1]), int(found[2] or found[1])


cluster_options = together(
    click.option(
        "--runner",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="This machine, or a Ray cluster.",
    ),
    click.option("--ray-address", help="HOST:PORT or auto.  [default: the cluster on this machine, else a new one]"),
    click.option("--actors", callback=_actors, help="Workers, or MIN:MAX.  [default: one per node or group of GPUs]"),
    click.option("--gpus-per-actor", type=NOT_NEGATIVE, help="[default: --n-gpus, else 1 where one helps]"),
    click.option(
        "--batch-size",
        type=COUNT,
        help="Rows that a worker holds, and may have to repeat.  [default: "
        f"{BATCHES} for each call at a time, up to {BATCHES * GROWTH} where there are many]",
    ),
)
"""Where the work is done; `take_scale` reads them."""


def take_scale(options: Mapping[str, Any]) -> tuple[Scale | None, dict[str, Any]]:
    """The scale, None for this machine, and the other options: results do not depend on where they are made.

    Raises UsageError.
    """
    rest = dict(options)
    runner, *how = (rest.pop(name) for name in _OPTIONS)
    if runner != "ray":
        if any(value is not None for value in how):
            raise UsageError("--ray-address, --actors, --gpus-per-actor and --batch-size need --runner ray")
        return None, rest
    if rest.get("max_cost") is not None:
        raise UsageError("--max-cost is not supported with --runner ray: workers do not share a budget")
    return Scale(*how), rest
