"""The placer when servers fail, are lost, or block another model; servers and nodes are simulated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from promptcot.engines.cluster import model as models
from promptcot.engines.cluster import placer as module
from promptcot.engines.cluster.division import Nodes, Room
from promptcot.engines.cluster.engine import PlacedEngine
from promptcot.engines.cluster.model import Size
from promptcot.engines.cluster.nodes import Cluster, ClusterUnusable, Sight
from promptcot.engines.cluster.placer import Placer
from promptcot.engines.cluster.server import Lost, NoServer
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.errors import EngineUnusable, PromptCoTError
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Request
from tests.programs import comes_true


def node(name: str, gpus: float = 1.0) -> dict[str, Any]:
    return {"NodeID": name, "NodeManagerHostname": name, "Resources": {"CPU": 4.0, "GPU": gpus}, "Alive": True}


@dataclass
class World:
    """The live nodes, the servers that were made, and the result of starting one on a node (by default `Started`)."""

    nodes: list[dict[str, Any]]
    ends: dict[str, list[Exception]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    made: list[FakeServer] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    occupied: set[str] = field(default_factory=set)
    looks: int = 0

    def look(self) -> list[dict[str, Any]]:
        """The nodes; counts how often the placer looks."""
        self.looks += 1
        return list(self.nodes)

    @property
    def running(self) -> list[tuple[str, str]]:
        """(model, node) of each server that runs."""
        return [(server.model, server.nodes[0]) for server in self.made if server.runs]

    def tells(self, words: str) -> bool:
        return any(words in line for line in self.said)


class FakeServer:
    """A server that answers until it is lost, and receives no calls."""

    def __init__(self, world: World, model: str, nodes: Nodes) -> None:
        self.world, self.model, self.nodes = world, model, nodes
        self.seated, self.runs, self.urls = False, False, list[str]()
        self.since, self.reason = time.monotonic(), None
        self.ending, self.gone = asyncio.Event(), asyncio.Event()
        world.made.append(self)

    def end(self, reason: Exception | None = None) -> None:
        self.reason = reason
        self.ending.set()

    async def start(self) -> list[str]:
        if self.nodes[0] in self.world.occupied:
            await asyncio.Event().wait()
        self.seated = True
        if left := self.world.ends.get(self.nodes[0]):
            raise left.pop(0)
        self.runs = True
        self.urls = [f"http://{self.nodes[0]}:{len(self.world.made)}/v1"]
        return self.urls

    async def ended(self) -> str:
        await self.gone.wait()
        raise Lost("the actor died")

    async def has_place(self) -> bool:
        return self.nodes[0] not in self.world.occupied

    async def remove(self) -> None:
        self.runs = False


class Engine(PlacedEngine):
    """Answers as soon as a server runs."""

    async def _serving(self) -> OpenAIEngine:
        await super()._serving()
        return Answering()  # type: ignore[return-value]


class Answering:
    async def complete(self, request: Request) -> Completion:
        return Completion("text")


class Play:
    """A placer in a simulated cluster, with models that take one GPU each."""

    def __init__(self, world: World, wait: float = 600.0) -> None:
        self.world = world
        self.placer = Placer(Cluster("here", None), 4, world.said.append, wait)
        self.models: dict[str, Engine] = {}

    def add(self, name: str, size: Size | None = None) -> Engine:
        engine = Engine(name, lambda: OpenAIEngine(name, Served(), module_own()), self.placer.wake)
        wanted = self.placer.wanted(Served(model=name), "generator", name)
        self.placer.add(name, "m" if name == "twin" else name, engine, wanted, size or Size(Room(1, 1)))
        self.models[name] = engine
        return engine


def module_own() -> Any:
    from promptcot.engines.openai.engine import OwnServers

    return OwnServers("servers")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World([node("a"), node("b")])
    monkeypatch.setattr(Cluster, "nodes", property(lambda self: found.look()))
    monkeypatch.setattr(module, "_TICK", 0.01)
    monkeypatch.setattr(module, "_GRACE", 0.05)
    monkeypatch.setattr(module, "_GRACE_IF_WANTED", 0.02)
    monkeypatch.setattr(module, "_SAY_AFTER", 0.0)
    monkeypatch.setattr(models, "_REST", 0.0)
    monkeypatch.setattr(models, "_NOTICED", 0.0)
    monkeypatch.setattr(models, "_ONE_EVENT", 0.0)
    monkeypatch.setattr(models, "_OCCUPIED", 0.1)
    monkeypatch.setattr(module, "_SEATED_AFTER", 0.0)
    monkeypatch.setattr(models, "PlacedServer", lambda wanted, room, nodes: FakeServer(found, wanted.spec.model, nodes))
    monkeypatch.setattr(module, "look_over", lambda nodes: [sight(found, one) for one in nodes])
    return found


def sight(world: World, one: dict[str, Any]) -> Sight:
    import platform

    from promptcot import __version__

    return Sight(
        one["NodeID"],
        f"node {one['NodeID']}",
        platform.python_version(),
        world.versions.get(one["NodeID"], __version__),
        (),
    )


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(play())


def ask(engine: Engine) -> asyncio.Task[Completion]:
    return asyncio.create_task(engine.complete(Request("p")))


def test_nothing_starts_before_the_first_call_and_nothing_is_left_at_the_end(world: World) -> None:
    async def play() -> None:
        scene = Play(world)
        engine = scene.add("m")
        looks = world.looks
        await asyncio.sleep(0.05)
        assert (world.made, world.looks) == ([], looks)
        await ask(engine)
        assert world.running
        await scene.placer.close()
        assert world.running == []

    played(play)


def test_a_lost_server_is_started_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 600.0)  # else a busy machine ends the server, as idle, before it is lost

    async def play() -> None:
        scene = Play(world)
        engine = scene.add("m", Size(Room(1, 1), most=1))
        await ask(engine)
        world.nodes = [one for one in world.nodes if one["NodeID"] != world.made[0].nodes[0]]
        await comes_true(lambda: world.tells("is lost"))
        await ask(engine)
        assert len(world.made) == 2
        await scene.placer.close()

    played(play)


def test_an_actor_that_dies_again_and_again_on_a_good_node_is_given_up(world: World) -> None:
    """Killed for its memory, say: that is no lost node, and would be tried for ever."""
    world.ends = {name: [Lost("the actor died")] * 99 for name in "ab"}

    async def play() -> None:
        scene = Play(world)
        with pytest.raises(EngineUnusable, match="its process ended"):
            await ask(scene.add("m"))
        assert len(world.made) == 8
        await scene.placer.close()

    played(play)


def test_a_mistake_while_a_server_starts_is_said_and_not_repeated_for_ever(world: World) -> None:
    world.ends = {name: [RuntimeError("out of ports")] * 99 for name in "ab"}

    async def play() -> None:
        scene = Play(world)
        with pytest.raises(EngineUnusable, match="RuntimeError: out of ports"):
            await ask(scene.add("m"))
        await scene.placer.close()

    played(play)


def test_a_place_that_others_use_is_given_up_for_another_one(world: World) -> None:
    world.occupied = {"a"}

    async def play() -> None:
        scene = Play(world)
        await ask(scene.add("m", Size(Room(1, 1), most=1)))
        assert world.running == [("m", "b")]
        await scene.placer.close()

    played(play)


def test_where_others_use_all_there_is_it_is_said_what_is_waited_for(world: World) -> None:
    world.occupied = {"a", "b"}

    async def play() -> None:
        scene = Play(world, wait=0.5)
        with pytest.raises(
            ClusterUnusable, match="a server takes 1 CPU and 1 GPU of one node, and the cluster's resources are in use"
        ):
            await ask(scene.add("m", Size(Room(1, 1), most=1)))
        await scene.placer.close()

    played(play)


def test_two_models_of_one_name_each_get_servers_and_make_room_for_one_another(world: World) -> None:
    """An encoder and a generator of the same weights; two judges that are asked in different ways."""
    world.nodes = [node("a")]

    async def play() -> None:
        scene = Play(world)
        first, second = scene.add("m"), scene.add("twin")
        await ask(first)
        await ask(second)
        await ask(first)
        assert len(world.made) == 3
        await scene.placer.close()

    played(play)


def test_a_node_that_cannot_serve_a_model_is_left_alone(world: World) -> None:
    world.ends = {"a": [NoServer("no such folder", for_good=True)] * 9}

    async def play() -> None:
        scene = Play(world)
        await ask(scene.add("m"))
        await comes_true(lambda: world.tells("is not tried there again: no such folder"))
        assert {where for _, where in world.running} == {"b"}
        assert sum(server.nodes == ("a",) for server in world.made) == 1
        await scene.placer.close()

    played(play)


@pytest.mark.parametrize(
    ("error", "tries"), [(NoServer("no such folder", for_good=True), 1), (NoServer("it crashed", for_good=False), 4)]
)
def test_with_no_node_left_the_model_is_given_up_with_what_each_of_them_said(
    world: World, error: NoServer, tries: int
) -> None:
    world.ends = {name: [error] * 99 for name in "ab"}

    async def play() -> None:
        scene = Play(world)
        with pytest.raises(EngineUnusable) as caught:
            await ask(scene.add("m"))
        assert str(error) in str(caught.value)
        assert "node a" in str(caught.value)
        assert "node b" in str(caught.value)
        assert len(world.made) == 2 * tries
        await scene.placer.close()

    played(play)


def test_what_the_cluster_has_not_is_waited_for_and_given_up(world: World) -> None:
    async def play() -> None:
        scene = Play(world, wait=0.1)
        with pytest.raises(ClusterUnusable, match=r"a server takes 1 CPU and 4 GPUs of one node, and the cluster has"):
            await ask(scene.add("m", Size(Room(1, 4))))
        assert world.tells("waits up to 0 s for it (--ray-wait)")
        await scene.placer.close()

    played(play)


def test_a_node_that_joins_is_used_and_one_with_another_promptcot_is_not(world: World) -> None:
    async def play() -> None:
        scene = Play(world)
        call = asyncio.create_task(hold(scene.add("m")))
        await comes_true(lambda: len(world.running) == 2)
        world.versions = {"d": "99.0"}
        world.nodes += [node("c"), node("d")]
        await comes_true(lambda: ("m", "c") in world.running)
        await comes_true(lambda: world.tells("has joined and is not used: node d has Python"))
        assert ("m", "d") not in world.running
        call.cancel()
        await scene.placer.close()

    played(play)


async def hold(engine: Engine) -> None:
    """So many calls that more servers are of use, for ever."""
    engine.asked = True
    engine.calls += 99
    engine._wake()
    await asyncio.Event().wait()


def test_a_model_with_nothing_to_do_makes_room_for_one_that_waits(world: World) -> None:
    world.nodes = [node("a")]

    async def play() -> None:
        scene = Play(world)
        first, second = scene.add("first"), scene.add("second")
        assert scene.placer.take_turns
        await ask(first)
        assert world.running == [("first", "a")]
        await ask(second)
        assert world.running == [("second", "a")]
        await ask(first)
        assert world.running == [("first", "a")]
        await scene.placer.close()

    played(play)


def test_a_model_at_work_keeps_its_place(world: World) -> None:
    world.nodes = [node("a")]

    async def play() -> None:
        scene = Play(world)
        first, second = scene.add("first"), scene.add("second")
        await ask(first)
        first.calls += 1
        waiting = ask(second)
        looks = world.looks
        await comes_true(lambda: world.looks > looks + 10)
        assert world.running == [("first", "a")]
        assert not waiting.done()
        first.calls -= 1
        await waiting
        await scene.placer.close()

    played(play)


def test_a_cluster_that_does_not_answer_any_more_fails_the_calls_that_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Cluster) -> None:
        raise ConnectionError("the head is gone")

    async def play() -> None:
        scene = Play(world)
        engine = scene.add("m")
        monkeypatch.setattr(Cluster, "nodes", property(gone))
        with pytest.raises(PromptCoTError, match=r"does not answer any more: .*the head is gone"):
            await ask(engine)
        await scene.placer.close()

    played(play)
