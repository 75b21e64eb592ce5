"""What a user says about the cluster. Ray is not needed to say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How models are spread over the cluster at `address`. None is decided by what the cluster has.

    `actors` are the fewest and the most servers of a model; each may be spread over several nodes. `wait` is how many
    seconds a model may wait for a place.
    """

    address: str = "auto"
    actors: tuple[int, int] | None = None
    gpus_per_actor: float | None = None
    nodes_per_actor: int | None = None
    wait: float = 600.0
    ports: range = range(1)
