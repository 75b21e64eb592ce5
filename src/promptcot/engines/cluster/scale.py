"""The user's settings for the cluster. Does not import Ray."""

from __future__ import annotations

from dataclasses import dataclass

from promptcot.errors import UsageError
from promptcot.redaction import holds_credentials


@dataclass(frozen=True)
class Scale:
    """How models are spread over the cluster at `address`. None means that the cluster's resources decide.

    `actors` are the minimum and maximum number of servers of a model; each may span several nodes. `wait` is the number
    of seconds for which a model may wait for a place.
    """

    address: str = "auto"
    actors: tuple[int, int] | None = None
    gpus_per_actor: float | None = None
    nodes_per_actor: int | None = None
    wait: float = 600.0
    ports: range = range(1)

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if holds_credentials(self.address):
            raise UsageError("the address of a Ray cluster must not contain a password or key, since it is logged")
        actors = self.actors
        if actors is not None and not (isinstance(actors, tuple) and len(actors) == 2 and 1 <= actors[0] <= actors[1]):
            raise UsageError(f"actors: {actors!r} are not a minimum and a maximum number of servers, such as (1, 8)")
        if self.gpus_per_actor is not None and self.gpus_per_actor < 0:
            raise UsageError(f"gpus_per_actor: {self.gpus_per_actor!r} is not a number of GPUs")
        if self.nodes_per_actor is not None and self.nodes_per_actor < 1:
            raise UsageError(f"nodes_per_actor: {self.nodes_per_actor!r} is not a number of nodes")
