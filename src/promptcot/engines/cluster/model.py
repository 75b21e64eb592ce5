"""A model on the cluster: the life of each of its servers, and the nodes on which they fail.

`placer` decides how many servers there are and where they run.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from promptcot.engines.cluster.actor import Wanted
from promptcot.engines.cluster.division import Claim, Nodes, Room
from promptcot.engines.cluster.engine import PlacedEngine
from promptcot.engines.cluster.server import Lost, NoServer, Occupied, PlacedServer

_CRASHES, _WITHIN = 3, 3600.0
_ONE_EVENT = 10.0
"""Failures on one node within this many seconds have one cause, and count once."""
_REST = 2.0
_OCCUPIED = 60.0
_DRAINED = 0.1
_NOTICED = 8.0
"""Seconds after which a cluster has noticed the loss of a node."""


@dataclass(frozen=True)
class Size:
    """The resources of a model's servers: `room` on each of its `nodes`, and the minimum and maximum number of
    servers.
    """

    room: Room
    nodes: int = 1
    least: int = 1
    most: int | None = None


class Bars:
    """Nodes that are excluded for a model: permanently, for an hour after three failures, or briefly."""

    def __init__(self) -> None:
        self._for_good: dict[str, str] = {}
        self._failures: dict[str, deque[float]] = {}
        self._words: dict[str, str] = {}
        self._until: dict[str, float] = {}
        self._others: dict[str, float] = {}

    def bar(self, node: str, words: str) -> None:
        """Exclude a node permanently."""
        self._for_good[node] = words

    def failed(self, node: str, words: str) -> None:
        """A server on the node crashed. It is restarted after a short delay, at most three times within an hour."""
        now = time.monotonic()
        failures = self._failures.setdefault(node, deque())
        if not failures or now - failures[-1] >= _ONE_EVENT:
            failures.append(now)
        self._words[node] = words
        self._until[node] = now + _REST * len(failures)

    def occupied(self, node: str) -> None:
        """The node's resources are in use: prefer the other nodes for a while."""
        self._others[node] = time.monotonic() + _OCCUPIED

    def forget_all_but(self, nodes: Collection[str]) -> None:
        """Forget all nodes except these: a node that comes back counts as a new one."""
        for table in (self._for_good, self._failures, self._words, self._until, self._others):
            for node in table.keys() - set(nodes):
                del table[node]

    @property
    def lasting(self) -> dict[str, str]:
        """Nodes that are excluded until further notice, with reasons."""
        now = time.monotonic()
        for failures in self._failures.values():
            while failures and now - failures[0] > _WITHIN:
                failures.popleft()
        worn = {node for node, failures in self._failures.items() if len(failures) > _CRASHES}
        return {**{node: self._words[node] for node in worn}, **self._for_good}

    @property
    def now(self) -> frozenset[str]:
        """Nodes on which nothing is started at the moment."""
        moment, tables = time.monotonic(), (self._until, self._others)
        return frozenset(self.lasting) | {node for table in tables for node, until in table.items() if until > moment}

    @property
    def waits_for_others(self) -> bool:
        """Whether the resources for a server are in use by others."""
        return any(until > time.monotonic() for until in self._others.values())


class PlacedModel:
    """A model, with a `name` for display and a unique `key`; `say` receives messages about its servers.

    `work` is its amount of work, relative to the others.
    """

    def __init__(
        self, key: str, name: str, engine: PlacedEngine, wanted: Wanted, size: Size, say: Callable[[str], None]
    ) -> None:
        self.key, self.name, self.engine, self.wanted, self.size, self._say = key, name, engine, wanted, size, say
        self.work: float = size.nodes * (size.room.gpus or size.room.cpus)  # as many servers as the others
        self.servers: list[PlacedServer] = []
        self.bars = Bars()

    def claim(self, *, active: bool, full: bool) -> Claim:
        """Its claim on the cluster."""
        leaving = frozenset(place for place, server in enumerate(self.servers) if server.ending.is_set())
        held = tuple(server.nodes for server in self.servers)
        size, barred = self.size, self.bars.now
        return Claim(
            self.key, size.room, size.nodes, self.work, size.least, size.most, active, full, held, leaving, barred
        )

    def can_be_served(self, rooms: Mapping[str, Room]) -> bool:
        """Whether there are nodes left on which it may be tried."""
        lasting = self.bars.lasting
        able = [node for node, room in rooms.items() if node not in lasting and room.holds(self.size.room)]
        return len(able) >= self.size.nodes

    async def serve(self, nodes: Nodes, where: str, is_there: Callable[[], bool]) -> None:
        """Run a server on these nodes, from start to end; `is_there` returns whether all of them are alive."""
        server = PlacedServer(self.wanted, self.size.room, nodes)
        self.servers.append(server)
        try:
            await self._serve(server)
        except Occupied:
            for node in nodes:
                self.bars.occupied(node)
        except Lost as lost:
            self.engine.lose(*server.urls)
            if await _stays(is_there):
                self._note_failure(nodes, where, f"its process ended ({lost})", for_good=False)
            else:
                self._say(f"{self.name}: the server on {where} is lost; starting another one")
        except NoServer as none:
            self._note_failure(nodes, where, str(none), for_good=none.for_good)
        except Exception as error:  # an error of Ray or a bug here: not to be retried forever
            self._note_failure(nodes, where, f"{type(error).__name__}: {error}", for_good=False)
        finally:
            self.engine.lose(*server.urls)
            try:
                await server.remove()
            finally:
                self.servers.remove(server)

    async def _serve(self, server: PlacedServer) -> None:
        """Run until it is to stop and has no calls left. Raises Lost, NoServer, Occupied."""
        serving, ending = asyncio.ensure_future(self._answering(server)), asyncio.ensure_future(server.ending.wait())
        try:
            await asyncio.wait([serving, ending], return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                if server.reason is not None:
                    raise server.reason
                self.engine.leave(*server.urls)
                while not serving.done() and any(self.engine.calls_at(url) for url in server.urls):
                    await asyncio.sleep(_DRAINED)
            if serving.done():
                serving.result()
        finally:
            for task in (serving, ending):
                task.cancel()
            await asyncio.gather(serving, ending, return_exceptions=True)

    async def _answering(self, server: PlacedServer) -> None:
        """Raises Lost, NoServer."""
        self.engine.add(*await server.start())
        raise NoServer(await server.ended(), for_good=False)

    def _note_failure(self, nodes: Nodes, where: str, words: str, *, for_good: bool) -> None:
        for node in nodes:
            if for_good:
                self.bars.bar(node, words)
            else:
                self.bars.failed(node, words)
        again = "is not tried there again" if self.bars.lasting.keys() & set(nodes) else "is started again"
        self._say(f"{self.name}: the server on {where} failed and {again}: {words}")


async def _stays(is_there: Callable[[], bool]) -> bool:
    """Whether nodes are still alive after the cluster has had time to notice their loss."""
    until = time.monotonic() + _NOTICED
    while is_there() and time.monotonic() < until:
        await asyncio.sleep(_DRAINED)
    return is_there()
