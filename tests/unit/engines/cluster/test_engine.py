"""One engine over servers that come and go: calls wait, move, and fail so that they are made again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.cluster.engine import PlacedEngine
from promptcot.engines.openai.engine import OpenAIEngine, OwnServers
from promptcot.engines.openai.serving import EngineServer
from promptcot.engines.opening import Listen
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineUnusable, TransientError
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Request
from tests.programs import comes_true

REQUEST = Request("p", seed=1)


class Patient(ScriptedEngine):
    """Answers when it is released; counts the waiting calls."""

    def __init__(self, words: str) -> None:
        super().__init__(lambda _: words)
        self.go = asyncio.Event()
        self.waiting = 0

    async def complete(self, request: Request) -> Completion:
        self.waiting += 1
        await self.go.wait()
        return await super().complete(request)


class Cluster:
    """Servers in this process that tests start and stop."""

    def __init__(self) -> None:
        self.woken = 0
        self.engine = PlacedEngine("m", self._connect, self._wake)
        self.servers: dict[str, EngineServer] = {}

    async def start(self, engine: ScriptedEngine, key: str = "key") -> str:
        server = EngineServer(engine, Listen("127.0.0.1", key, Path(), "m"))
        [url] = await server.start()
        self.servers[url] = server
        return url

    async def end(self) -> None:
        await self.engine.close()
        for server in self.servers.values():
            await server.stop()

    def _connect(self) -> OpenAIEngine:
        return OpenAIEngine("m", Served(omit=["stream"]), OwnServers("m", "key"))

    def _wake(self) -> None:
        self.woken += 1


Scenario = Callable[[Cluster], Coroutine[Any, Any, None]]


def within_a_loop(scenario: Scenario) -> None:
    async def run() -> None:
        cluster = Cluster()
        try:
            await scenario(cluster)
        finally:
            await cluster.end()

    asyncio.run(run())


async def hanging(cluster: Cluster) -> tuple[str, asyncio.Task[Completion]]:
    """A server that does not answer, and a call that is under way there."""
    silent = Patient("never")
    url = await cluster.start(silent)
    cluster.engine.add(url)
    call = ask(cluster)
    await comes_true(lambda: silent.waiting)
    return url, call


def ask(cluster: Cluster) -> asyncio.Task[Completion]:
    return asyncio.create_task(cluster.engine.complete(REQUEST))


async def text_of(call: Awaitable[Completion]) -> str:
    return (await call).text


def test_a_call_waits_for_the_first_server_and_wakes_who_starts_it() -> None:
    async def scenario(cluster: Cluster) -> None:
        call = ask(cluster)
        await comes_true(lambda: cluster.woken)
        assert (cluster.engine.servers, cluster.engine.calls) == (0, 1)
        cluster.engine.add(await cluster.start(ScriptedEngine(lambda _: "a")))
        assert await text_of(call) == "a"
        assert (cluster.engine.servers, cluster.engine.calls) == (1, 0)

    within_a_loop(scenario)


def test_a_call_on_a_server_that_is_lost_fails_at_once_as_a_fault_of_the_moment() -> None:
    async def scenario(cluster: Cluster) -> None:
        url, call = await hanging(cluster)
        cluster.engine.lose(url)
        with pytest.raises(TransientError) as caught:
            await call
        assert caught.value.cause == "server ended"
        again = ask(cluster)
        cluster.engine.add(await cluster.start(ScriptedEngine(lambda _: "b")))
        assert await text_of(again) == "b"

    within_a_loop(scenario)


def test_a_call_that_its_caller_gives_up_while_the_server_is_lost_stays_given_up() -> None:
    async def scenario(cluster: Cluster) -> None:
        url, call = await hanging(cluster)
        call.cancel()
        cluster.engine.lose(url)
        await asyncio.wait([call])
        assert call.cancelled()

    within_a_loop(scenario)


def test_a_server_that_leaves_ends_its_calls_and_gets_no_more() -> None:
    async def scenario(cluster: Cluster) -> None:
        old = Patient("old")
        leaving = await cluster.start(old)
        cluster.engine.add(leaving)
        first = ask(cluster)
        await comes_true(lambda: old.waiting)
        cluster.engine.add(await cluster.start(ScriptedEngine(lambda _: "new")))
        cluster.engine.leave(leaving)
        assert [await text_of(ask(cluster)) for _ in range(4)] == ["new"] * 4
        assert cluster.engine.calls_at(leaving) == 1
        old.go.set()
        assert await text_of(first) == "old"
        assert cluster.engine.calls_at(leaving) == 0

    within_a_loop(scenario)


def test_a_server_that_ended_unseen_and_one_of_another_run_at_its_address_are_faults_of_the_moment() -> None:
    async def scenario(cluster: Cluster) -> None:
        gone = await cluster.start(ScriptedEngine(lambda _: "a"))
        cluster.engine.add(gone)
        assert await text_of(ask(cluster)) == "a"
        await cluster.servers.pop(gone).stop()
        with pytest.raises(TransientError):
            await ask(cluster)
        cluster.engine.lose(gone)
        cluster.engine.add(await cluster.start(ScriptedEngine(lambda _: "b"), key="of another run"))
        with pytest.raises(TransientError) as caught:
            await ask(cluster)
        assert caught.value.cause == "server ended"

    within_a_loop(scenario)


def test_a_model_that_is_given_up_fails_every_call_those_that_wait_included() -> None:
    async def scenario(cluster: Cluster) -> None:
        call = ask(cluster)
        await comes_true(lambda: cluster.woken)
        cluster.engine.give_up(EngineUnusable("no node has the model", "no-server-left"))
        for one in (call, ask(cluster)):
            with pytest.raises(EngineUnusable, match="no node has the model"):
                await one

    within_a_loop(scenario)


def test_calls_go_to_all_servers() -> None:
    async def scenario(cluster: Cluster) -> None:
        engines = [Patient("a"), Patient("b")]
        cluster.engine.add(*[await cluster.start(engine) for engine in engines])
        calls = [ask(cluster) for _ in range(10)]
        await comes_true(lambda: sum(engine.waiting for engine in engines) == 10)
        assert [engine.waiting for engine in engines] == [5, 5]
        for engine in engines:
            engine.go.set()
        await asyncio.gather(*calls)

    within_a_loop(scenario)
