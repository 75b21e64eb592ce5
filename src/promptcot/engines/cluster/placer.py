"""Places the servers of a run's models on a cluster: starts them, restarts them, and moves them to where there is work.

Checks the nodes and the calls of each model every second, and applies what `division` decides. `model` and `server`
handle single servers.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from promptcot.engines.cluster.actor import Wanted
from promptcot.engines.cluster.division import Claim, Nodes, decide, shares
from promptcot.engines.cluster.engine import PlacedEngine
from promptcot.engines.cluster.model import PlacedModel, Size
from promptcot.engines.cluster.nodes import Cluster, ClusterUnusable, inventory, look_over, name_of, rooms_of
from promptcot.engines.cluster.server import Lost, Occupied
from promptcot.engines.protocol import Engine
from promptcot.errors import EngineUnusable, PromptCoTError
from promptcot.recipe.schema import Served
from promptcot.redaction import remember

_TICK = 1.0
_GRACE, _GRACE_IF_WANTED = 15.0, 5.0
"""Seconds for which a model without calls still counts as active; the second value applies while another model has no
server.
"""
_EXPECTED = 600.0
"""Seconds after a run's first call during which models later in the pipeline are expected to get calls."""
_FULL = 0.8
_SEATED_AFTER = 15.0
_SAY_AFTER, _SAY_AGAIN = 5.0, 30.0


class Placer:
    """Places the servers of all added models, from the first call that needs one until `close`.

    `concurrency` is the number of calls that a server gets at a time, `wait` the seconds that a model may wait for a
    place on the cluster, `say` receives messages. Servers require a key that only this object knows.
    """

    def __init__(
        self, cluster: Cluster, concurrency: int, say: Callable[[str], None], wait: float, ports: range = range(1)
    ) -> None:
        self.cluster, self.concurrency = cluster, concurrency
        self.key = secrets.token_urlsafe(32)
        remember(self.key)
        self._say, self._wait, self._ports = say, wait, ports
        self._models: dict[str, PlacedModel] = {}
        self._lacking: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._began = 0.0
        self._nodes = _by_id(cluster.nodes)
        self._looked_at = set(self._nodes)
        self._unfit: set[str] = set()
        """Nodes that joined later and are unusable or not yet checked."""
        self._decided: tuple[object, ...] = ()

    def add(self, key: str, name: str, engine: PlacedEngine, wanted: Wanted, size: Size) -> None:
        """Add a model, after the models that produce its rows."""
        self._models[key] = PlacedModel(key, name, engine, wanted, size, self._say)

    def wanted(self, spec: Served, role: str, name: str) -> Wanted:
        """The description of a model's server for the node that starts it."""
        return Wanted(spec, role, name, self.key, self._ports)

    def weigh(self, work: Mapping[Engine, float]) -> None:
        """Set the amount of work of each model, relative to the others."""
        for model in self._models.values():
            model.work = work.get(model.engine, model.work)

    @property
    def take_turns(self) -> bool:
        """Whether the cluster cannot hold a server of each model at once."""
        claims = [model.claim(active=True, full=False) for model in self._models.values() if not model.engine.closed]
        return not all(shares(claims, rooms_of(self._nodes.values())).values())

    @property
    def note(self) -> str:
        """The running servers, for display."""
        said = []
        for model in (model for model in self._models.values() if model.servers):
            starting = sum(not server.urls for server in model.servers)
            more = f" (+{starting} starting)" if starting else ""
            said.append(f"{model.name} {model.engine.servers}{more}")
        return f"servers: {', '.join(said)}" if said else ""

    def wake(self) -> None:
        """There is a call and no server for it."""
        if self._watch is None:
            self._began = time.monotonic()
            self._watch = asyncio.create_task(self._run())
        self._woken.set()

    async def close(self) -> None:
        """Stop all servers; none is left on the cluster when this returns."""
        tasks = [*self._tasks, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        try:
            while True:
                self._woken.clear()
                self._see(_by_id(await asyncio.to_thread(lambda: self.cluster.nodes)))
                self._place()
                for model in self._models.values():
                    await self._look_at_places(model)
                    self._look_at_lack(model)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _TICK)
                await asyncio.sleep(_TICK / 4)
        except PromptCoTError as error:
            self._give_up(error)
        except Exception as error:  # Ray itself, when its head is gone
            self._give_up(ClusterUnusable(f"the cluster at {self.cluster.address} does not answer any more: {error!r}"))

    def _give_up(self, error: PromptCoTError) -> None:
        for model in self._models.values():
            model.engine.give_up(error)

    def _see(self, alive: Mapping[str, Mapping[str, Any]]) -> None:
        """Update the list of nodes. New nodes are checked first; servers on a lost node count as lost, even without any
        other sign.
        """
        for node in alive.keys() - self._looked_at:
            self._looked_at.add(node)
            self._unfit.add(node)
            self._in_background(self._welcome(alive[node]))
        self._looked_at &= alive.keys()
        self._nodes = {name: node for name, node in alive.items() if name not in self._unfit}
        for model in self._models.values():
            model.bars.forget_all_but(alive)
            for server in model.servers:
                if not alive.keys() >= set(server.nodes):
                    server.end(Lost("the node is gone"))

    async def _welcome(self, node: Mapping[str, Any]) -> None:
        """Check a new node and add it to the pool."""
        name = node["NodeID"]
        try:
            for sight in await asyncio.to_thread(look_over, [node]):
                sight.check()
                self._unfit.discard(name)
                self._say(f"ray: {name_of(node)} has joined, with {rooms_of([node])[name]}")
        except Exception as error:
            self._say(f"ray: {name_of(node)} has joined and is not used: {error}")

    def _place(self) -> None:
        """Start and stop servers as needed; does nothing if the state is unchanged."""
        rooms = rooms_of(self._nodes.values())
        claims = [self._claim(place, model) for place, model in enumerate(self._models.values())]
        moment = (claims, rooms)
        if moment == self._decided:
            return
        self._decided = moment
        decision = decide(claims, rooms)
        for key, place in decision.end:
            self._models[key].servers[place].end()
        for key, nodes in decision.start:
            self._in_background(self._serve(self._models[key], nodes))

    async def _serve(self, model: PlacedModel, nodes: Nodes) -> None:
        try:
            await model.serve(nodes, self._names(nodes), lambda: self._nodes.keys() >= set(nodes))
        finally:
            self._decided = ()
            self._woken.set()

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _claim(self, place: int, model: PlacedModel) -> Claim:
        """It is active while it has calls, shortly afterwards, and when rows are on their way to it."""
        engine, now = model.engine, time.monotonic()
        before = [*self._models.values()][:place]
        coming = not engine.asked and any(earlier.engine.asked for earlier in before)
        expected = coming and now - self._began < _EXPECTED
        wanted = any(other.engine.calls and not other.servers for other in self._models.values())
        grace = _GRACE_IF_WANTED if wanted else _GRACE
        lately = engine.asked and now - engine.idle_since < grace
        active = engine.calls > 0 or ((expected or lately) and not engine.closed)
        full = not engine.asked or engine.calls >= _FULL * self.concurrency * max(1, engine.servers)
        return model.claim(active=active, full=full)

    async def _look_at_places(self, model: PlacedModel) -> None:
        """Move a server whose reserved place is used by others."""
        for server in [server for server in model.servers if time.monotonic() - server.since > _SEATED_AFTER]:
            if not server.seated and not await server.has_place():
                server.end(Occupied())

    def _look_at_lack(self, model: PlacedModel) -> None:
        """Report what a model waits for and the cluster lacks; give up when it has waited too long."""
        lacking, now = self._lack(model), time.monotonic()
        if lacking is None:
            self._lacking.pop(model.key, None)
            self._look_at_least(model)
            return
        waited = now - self._lacking.setdefault(model.key, now)
        if waited > self._wait:
            ways = "Start nodes with these resources, or request less (--n-gpus, --gpus-per-actor, a smaller model)"
            model.engine.give_up(ClusterUnusable(f"{lacking}. The command waited {waited:.0f} s (--ray-wait). {ways}"))
        elif waited > _SAY_AFTER:
            self._say_now_and_then(f"{lacking}. The command waits up to {self._wait:.0f} s for it (--ray-wait)")

    def _lack(self, model: PlacedModel) -> str | None:
        """What a model with calls and without a server waits for, if no other model of this run occupies it."""
        rooms = rooms_of(self._nodes.values())
        if model.engine.servers or not model.engine.calls or any(server.seated for server in model.servers):
            return None
        if model.bars.lasting and not model.servers and not model.can_be_served(rooms):
            said = [f"{self._names((node,))}: {words}" for node, words in model.bars.lasting.items()]
            words = "; ".join(said)
            model.engine.give_up(EngineUnusable(f"{model.name}: no server can run. {words}", "no-server-left"))
            return None
        takes = f"{model.name}: a server takes {_taken(model.size)}"
        alone = Claim(model.key, model.size.room, model.size.nodes)
        if not shares([alone], rooms)[model.key]:
            return f"{takes}, and the cluster has {inventory([*self._nodes.values()], model.size.room)}"
        return f"{takes}, and the cluster's resources are in use" if model.bars.waits_for_others else None

    def _look_at_least(self, model: PlacedModel) -> None:
        """Report missing servers if a model runs with fewer than its minimum."""
        lacking = model.size.least - len(model.servers)
        if model.engine.servers and lacking > 0:
            plural = "s" if lacking > 1 else ""
            each = f"{_taken(model.size)}{' each' if plural else ''}"
            self._say_now_and_then(
                f"{model.name}: {lacking} more server{plural} would take {each}, but there is "
                "no room; the run continues"
            )

    def _say_now_and_then(self, words: str) -> None:
        now = time.monotonic()
        if now - self._said.get(words, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[words] = now
            self._say(words)

    def _names(self, nodes: Nodes) -> str:
        return ", ".join(name_of(self._nodes[node]) if node in self._nodes else f"node {node[:8]}" for node in nodes)


def _by_id(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(node["NodeID"]): node for node in nodes}


def _taken(size: Size) -> str:
    """The resources of a server, as text."""
    return f"{size.room} of one node" if size.nodes == 1 else f"{size.room} of each of {size.nodes} nodes"
