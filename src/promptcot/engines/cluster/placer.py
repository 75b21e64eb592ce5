"""Keeps the servers of a run's models placed on a cluster: starts them, starts them again, moves them to where work is.

Looks at nodes and at the calls of each model every second, has `division` decide, and does what it says. What one
server goes through is in `server`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from promptcot.engines.cluster.actor import Wanted
from promptcot.engines.cluster.division import Claim, Nodes, Room, decide, shares
from promptcot.engines.cluster.engine import PlacedEngine
from promptcot.engines.cluster.nodes import Cluster, ClusterUnusable, inventory, look_over, name_of, rooms_of
from promptcot.engines.cluster.server import Lost, NoServer, PlacedServer
from promptcot.engines.protocol import Engine
from promptcot.errors import EngineUnusable, PromptCoTError

_TICK = 1.0
_GRACE, _GRACE_IF_WANTED = 15.0, 2.0
_FULL = 0.8
_CRASHES, _WITHIN = 3, 3600.0
_SAY_AFTER, _SAY_AGAIN = 5.0, 30.0
_DRAINED = 0.1


@dataclass(frozen=True)
class Size:
    """What the servers of a model take: `room` of each of so many `nodes`; how many there are at least and at most."""

    room: Room
    nodes: int = 1
    least: int = 1
    most: int | None = None


@dataclass
class _Placed:
    """A model on the cluster."""

    name: str
    engine: PlacedEngine
    wanted: Wanted
    size: Size
    work: float
    servers: list[PlacedServer] = field(default_factory=list)
    crashes: dict[str, deque[float]] = field(default_factory=dict)
    barred: dict[str, str] = field(default_factory=dict)
    """Nodes that cannot serve it, and why."""
    lacking_since: float | None = None
    said: float = 0.0

    def claim(self, *, active: bool, full: bool) -> Claim:
        leaving = frozenset(place for place, server in enumerate(self.servers) if server.leaving.is_set())
        held = [server.nodes for server in self.servers]
        size, barred = self.size, frozenset(self.barred)
        return Claim(
            self.name, size.room, size.nodes, self.work, size.least, size.most, active, full, held, leaving, barred
        )


class Placer:
    """Places the servers of all models that are added, from the first call that needs one until `close`.

    `concurrency` is how many calls a server is given at a time, `wait` how many seconds a model may go without a place
    on the cluster, `say` is told what happens. Servers ask for a key that only this object knows.
    """

    def __init__(
        self, cluster: Cluster, concurrency: int, say: Callable[[str], None], wait: float, ports: range = range(1)
    ) -> None:
        self.cluster, self.concurrency = cluster, concurrency
        self.key = secrets.token_urlsafe(32)
        self._say, self._wait, self._ports = say, wait, ports
        self._placed: list[_Placed] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._nodes: dict[str, Mapping[str, Any]] = {node["NodeID"]: node for node in cluster.nodes}
        self._unfit: set[str] = set()
        """Nodes that joined later and cannot take part."""

    def add(self, name: str, engine: PlacedEngine, wanted: Wanted, size: Size) -> None:
        """A model, after those whose rows it is asked about."""
        equal = size.nodes * (size.room.gpus or size.room.cpus)  # as many servers of each, until `weigh` says more
        self._placed.append(_Placed(name, engine, wanted, size, equal))

    def wanted(self, spec: Any, role: str) -> Wanted:
        """The server of a model as a node is told to start it."""
        return Wanted(spec, role, self.key, self._ports)

    def weigh(self, work: Mapping[Engine, float]) -> None:
        """What each model has to do, compared with the others."""
        for model in self._placed:
            model.work = work.get(model.engine, model.work)

    @property
    def take_turns(self) -> bool:
        """Whether the cluster does not hold a server of each model at once."""
        claims = [model.claim(active=True, full=False) for model in self._placed]
        return not all(shares(claims, rooms_of([*self._nodes.values()])).values())

    @property
    def note(self) -> str:
        """The servers that run, for people."""
        said = []
        for model in self._placed:
            starting = len(model.servers) - model.engine.servers
            if model.servers:
                more = f" (+{starting} starting)" if starting > 0 else ""
                said.append(f"{model.name} {model.engine.servers}{more}")
        return f"servers: {', '.join(said)}" if said else ""

    def wake(self) -> None:
        """There is a call and no server for it."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._run())
        self._woken.set()

    async def close(self) -> None:
        """End all servers; none of them is left on the cluster when this returns."""
        tasks = [*self._tasks, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        try:
            while True:
                self._woken.clear()
                self._nodes = await self._fit_nodes()
                self._place()
                for model in self._placed:
                    await self._look_at_lack(model)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _TICK)
                await asyncio.sleep(_TICK / 4)
        except PromptCoTError as error:
            self._give_up(error)
        except Exception as error:  # Ray itself, when its head is gone
            self._give_up(ClusterUnusable(f"the cluster at {self.cluster.address} does not answer any more: {error!r}"))

    def _give_up(self, error: PromptCoTError) -> None:
        for model in self._placed:
            model.engine.give_up(error)

    async def _fit_nodes(self) -> dict[str, Mapping[str, Any]]:
        """The nodes that are alive and can take part; those that joined since are looked over."""
        alive = {node["NodeID"]: node for node in await asyncio.to_thread(lambda: self.cluster.nodes)}
        for node in (node for name, node in alive.items() if name not in self._nodes and name not in self._unfit):
            try:
                for sight in await asyncio.to_thread(look_over, [node]):
                    sight.check()
                self._say(f"ray: {name_of(node)} has joined, with {rooms_of([node])[node['NodeID']]}")
            except Exception as error:
                self._unfit.add(node["NodeID"])
                self._say(f"ray: {name_of(node)} has joined and is not used: {error}")
        return {name: node for name, node in alive.items() if name not in self._unfit}

    def _place(self) -> None:
        """Start and end servers as is right for the moment."""
        rooms = rooms_of([*self._nodes.values()])
        for model in self._placed:
            model.barred = {node: why for node, why in model.barred.items() if node in rooms}
        decision = decide([self._claim(place, model) for place, model in enumerate(self._placed)], rooms)
        by_name = {model.name: model for model in self._placed}
        for name, place in decision.end:
            by_name[name].servers[place].leaving.set()
        for name, nodes in decision.start:
            self._start(by_name[name], nodes)

    def _claim(self, place: int, model: _Placed) -> Claim:
        """It is active while it has calls, a little longer, and when rows are on their way to it."""
        engine = model.engine
        expected = not engine.asked and any(earlier.engine.asked for earlier in self._placed[:place])
        wanted = any(other.engine.calls and not other.servers for other in self._placed)
        grace = _GRACE_IF_WANTED if wanted else _GRACE
        lately = engine.asked and time.monotonic() - engine.idle_since < grace
        active = engine.calls > 0 or ((expected or lately) and not engine.closed)
        full = not engine.asked or engine.calls >= _FULL * self.concurrency * max(1, engine.servers)
        return model.claim(active=active, full=full)

    def _start(self, model: _Placed, nodes: Nodes) -> None:
        server = PlacedServer(model.wanted, model.size.room, nodes)
        model.servers.append(server)
        task = asyncio.create_task(self._live(model, server))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, model: _Placed, server: PlacedServer) -> None:
        """A server from its start to its end."""
        try:
            drain = asyncio.create_task(server.leaving.wait())
            serve = asyncio.create_task(self._serve(model, server))
            try:
                await asyncio.wait([serve, drain], return_when=asyncio.FIRST_COMPLETED)
                if not serve.done():
                    await self._drained(model, server, serve)
                serve.cancel()
                await serve
            except asyncio.CancelledError:
                if not serve.cancelled():
                    raise
            finally:
                drain.cancel()
                serve.cancel()
        except Lost as lost:
            self._say(
                f"{model.name}: the server on {self._names(server.nodes)} is lost ({lost}); another one is started"
            )
        except NoServer as none:
            self._note_failure(model, server, str(none), for_good=none.for_good)
        finally:
            model.engine.lose(*server.urls)
            try:
                await server.remove()
            finally:
                model.servers.remove(server)
                self._woken.set()

    async def _serve(self, model: _Placed, server: PlacedServer) -> None:
        """Raises Lost, NoServer."""
        model.engine.add(*await server.start())
        raise NoServer(await server.ended(), for_good=False)

    async def _drained(self, model: _Placed, server: PlacedServer, serve: asyncio.Task[None]) -> None:
        """Let the calls on a server end; it gets no more of them."""
        model.engine.leave(*server.urls)
        while not serve.done() and any(model.engine.calls_at(url) for url in server.urls):
            await asyncio.sleep(_DRAINED)

    def _note_failure(self, model: _Placed, server: PlacedServer, words: str, *, for_good: bool) -> None:
        """Remember where a server cannot work."""
        where = self._names(server.nodes)
        now = time.monotonic()
        for node in server.nodes:
            crashes = model.crashes.setdefault(node, deque())
            crashes.append(now)
            while now - crashes[0] > _WITHIN:
                crashes.popleft()
            if for_good or len(crashes) > _CRASHES:
                model.barred[node] = words
        again = "it is not tried there again" if server.nodes[0] in model.barred else "it is started again"
        self._say(f"{model.name}: the server on {where} failed, {again}: {words}")

    async def _look_at_lack(self, model: _Placed) -> None:
        """Say what a model waits for that the cluster has not; give up when it has waited too long."""
        lacking, now = await self._lack(model), time.monotonic()
        if lacking is None:
            model.lacking_since = None
            return
        model.lacking_since = model.lacking_since or now
        waited = now - model.lacking_since
        if waited > self._wait:
            model.engine.give_up(
                ClusterUnusable(
                    f"{lacking}. It waited {waited:.0f} s (--ray-wait). Start larger nodes, or more of them, or ask "
                    "for less (--n-gpus, --gpus-per-actor, a smaller model)"
                )
            )
        elif waited > _SAY_AFTER and now - model.said > _SAY_AGAIN:
            model.said = now
            until = f", and is given up after {self._wait:.0f} s (--ray-wait)"
            self._say(f"{lacking}. It has waited {waited:.0f} s{until}")

    async def _lack(self, model: _Placed) -> str | None:
        """What a model that has calls and no server waits for, where no other model of this run has it."""
        if model.engine.servers or not model.engine.calls:
            return None
        takes = f"{model.name}: a server takes {self._taken(model.size)}"
        rooms = rooms_of([*self._nodes.values()])
        if model.barred and not model.servers and not self._able(model, rooms):
            why = "; ".join(dict.fromkeys(f"{self._names((node,))}: {words}" for node, words in model.barred.items()))
            model.engine.give_up(EngineUnusable(f"{model.name}: no server can run. {why}", "no-server-left"))
            return None
        if not shares([model.claim(active=True, full=False)], rooms)[model.name]:
            return f"{takes}, and the cluster has {inventory([*self._nodes.values()])}"
        if not model.servers:
            return None  # its turn comes
        places = [await server.has_place() for server in model.servers]
        return None if any(places) else f"{takes}, and others use what the cluster has"

    @staticmethod
    def _able(model: _Placed, rooms: Mapping[str, Room]) -> bool:
        """Whether there are nodes left that may serve a model."""
        able = [node for node, room in rooms.items() if node not in model.barred and room.holds(model.size.room)]
        return len(able) >= model.size.nodes

    @staticmethod
    def _taken(size: Size) -> str:
        """What a server takes, in words."""
        return f"{size.room} of one node" if size.nodes == 1 else f"{size.room} of each of {size.nodes} nodes"

    def _names(self, nodes: Nodes) -> str:
        return ", ".join(name_of(self._nodes[node]) if node in self._nodes else f"node {node[:8]}" for node in nodes)
