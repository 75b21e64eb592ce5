"""The driver's handle of one server on the cluster: placed, started, reached, and stopped.

Ray reserves the resources (a placement group on chosen nodes) and monitors the node; the actor monitors the server.
`placer` decides whether to start a replacement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from promptcot.engines.cluster.actor import Ended, ServerActor, Wanted
from promptcot.engines.cluster.division import Nodes, Room
from promptcot.engines.vllm.options import Group

_REACH, _TRIES = 10.0, 3
_GRACE = 30.0
_BEGIN, _READY, _AGAIN = 300.0, 2000.0, 1.0
_NODE_LABEL = "ray.io/node-id"


class Lost(Exception):
    """The server's node, or the actor on it, is gone."""


class NoServer(Exception):
    """There is no server, and why; `for_good` if another attempt on this node would not help."""

    def __init__(self, words: str, *, for_good: bool) -> None:
        super().__init__(words)
        self.for_good = for_good


class Occupied(Exception):
    """Other programs use the resources reserved for the server."""


class PlacedServer:
    """A server on `nodes`. Create it, `start` it, wait until it has `ended`, and always `remove` it."""

    def __init__(self, wanted: Wanted, room: Room, nodes: Nodes) -> None:
        self.nodes = nodes
        self.since = time.monotonic()
        self.seated = False
        """Whether its start on the node has begun."""
        self.urls: list[str] = []
        self.ending = asyncio.Event()
        """Set when the server should stop: once it has no more calls, or at once if there is a `reason`."""
        self.reason: Exception | None = None
        self._wanted, self._room = wanted, room
        self._group: Any = None
        self._actors: list[Any] = []

    def end(self, reason: Exception | None = None) -> None:
        """Request its end."""
        self.reason = self.reason or reason
        self.ending.set()

    async def start(self) -> list[str]:
        """Its base URLs, once it answers and is reachable from here. Raises Lost, NoServer."""
        self._place()
        try:
            async with asyncio.timeout(_BEGIN):
                calls = [actor.address.remote(port=len(self._actors) > 1) for actor in self._actors]
                host, port = _checked((await asyncio.gather(*map(_answer, calls)))[0])
            self.seated = True
            async with asyncio.timeout(_READY):
                urls = await self._started(host, port)
        except TimeoutError as error:
            words = "it did not start in time; look at `ray status` and the logs of Ray"
            raise NoServer(words, for_good=False) from error
        await asyncio.gather(*map(self._reach, urls))
        self.urls = urls
        return urls

    async def _started(self, host: str, port: int) -> list[str]:
        """The URLs of a server; its other parts, if any, must stay alive until it answers."""
        parts = len(self._actors)
        groups = [Group(parts, rank, host, port) if parts > 1 else None for rank in range(parts)]
        for actor, group in zip(self._actors[1:], groups[1:], strict=True):
            _checked(await _answer(actor.start.remote(group)))
        first = asyncio.ensure_future(_answer(self._actors[0].start.remote(groups[0])))
        watching = [asyncio.ensure_future(_answer(actor.ended.remote())) for actor in self._actors[1:]]
        try:
            await asyncio.wait([first, *watching], return_when=asyncio.FIRST_COMPLETED)
            for watch in (watch for watch in watching if watch.done()):
                raise NoServer(str(watch.result()), for_good=False)
            return list(_checked(first.result()))
        finally:
            _dismiss([first, *watching])

    async def has_place(self) -> bool:
        """Whether the cluster has granted its placement; its resources may be in use by others."""
        import ray

        if self.seated or self._group is None:
            return self.seated
        table = await asyncio.to_thread(ray.util.placement_group_table, self._group)
        return bool(table.get("state") == "CREATED")

    async def ended(self) -> str:
        """Wait until it ends by itself, and return how. Raises Lost."""
        watching = [asyncio.ensure_future(_ended(actor)) for actor in self._actors]
        try:
            done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
            return str(next(iter(done)).result())
        finally:
            _dismiss(watching)

    async def remove(self) -> None:
        """Stop it in any state, and release its place."""
        import ray

        if self.urls:  # otherwise the end of the actor stops what it has started so far
            stops = [asyncio.ensure_future(_answer(actor.stop.remote())) for actor in self._actors]
            await asyncio.wait(stops, timeout=_GRACE)
            _dismiss(stops)
        for actor in self._actors:
            with suppress(Exception):  # already gone
                ray.kill(actor)
        if self._group is not None:
            with suppress(Exception):
                ray.util.remove_placement_group(self._group)

    def _place(self) -> None:
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        amounts = {"CPU": self._room.cpus, **({"GPU": self._room.gpus} if self._room.gpus else {})}
        self._group = ray.util.placement_group(
            [amounts for _ in self.nodes],
            strategy="STRICT_PACK" if len(self.nodes) == 1 else "STRICT_SPREAD",
            bundle_label_selector=[{_NODE_LABEL: node} for node in self.nodes],
        )
        actor = ray.remote(ServerActor)
        for place in range(len(self.nodes)):
            strategy = PlacementGroupSchedulingStrategy(self._group, place)
            options = {"num_cpus": self._room.cpus, "num_gpus": self._room.gpus, "scheduling_strategy": strategy}
            self._actors.append(actor.options(**options).remote(self._wanted))

    async def _reach(self, url: str) -> None:
        """Raises NoServer if this machine cannot reach it."""
        health = f"{url.removesuffix('/v1')}/health"
        why: Exception | None = None
        for _ in range(_TRIES):
            try:
                limit = aiohttp.ClientTimeout(total=_REACH)
                async with aiohttp.ClientSession(timeout=limit) as session, session.get(health) as response:
                    response.raise_for_status()
                    return
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                why = error
                await asyncio.sleep(0.5)
        raise NoServer(
            f"its server runs at {url}, but cannot be reached from here ({why!r}). Open the ports between the "
            "machines, or name the ones that are open (--server-ports 20000:20100)",
            for_good=True,
        )


async def _answer(call: Any) -> Any:
    """The result of an actor's call. Raises Lost if the actor is gone, NoServer if it could not be called."""
    import ray

    try:
        return await call
    except ray.exceptions.ActorUnavailableError:
        raise
    except ray.exceptions.RayActorError as error:
        raise Lost(_last_line(error)) from error
    except ray.exceptions.RayError as error:
        raise NoServer(_last_line(error), for_good=False) from error


async def _ended(actor: Any) -> str:
    """How the server of an actor ended; an actor that is briefly unreachable is asked again."""
    import ray

    while True:
        try:
            return str(await _answer(actor.ended.remote()))
        except ray.exceptions.ActorUnavailableError:
            await asyncio.sleep(_AGAIN)


def _checked(found: Any) -> Any:
    """Raises NoServer if it has ended."""
    if isinstance(found, Ended):
        raise NoServer(found.words, for_good=found.for_good)
    return found


def _dismiss(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Ignore the results of these calls."""
    for task in tasks:
        if not task.cancel() and not task.cancelled():
            task.exception()


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else repr(error)
