"""The engine with our own server: started once, restarted after a crash, and always in a known state."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.vllm import engine as vllm
from promptcot.engines.vllm.engine import VllmEngine
from promptcot.engines.vllm.server import VllmServer
from promptcot.errors import EngineUnusable, TransientError
from promptcot.records import Completion, Request
from tests.programs import PATIENCE, comes_true

ASK = Request(prompt="p")


class FakeServer:
    """Replicas that live until they are killed; `start` starts the dead ones when it is allowed to."""

    def __init__(self, copies: int = 1, fault: Exception | None = None) -> None:
        self._all = [f"http://127.0.0.1:{8000 + number}/v1" for number in range(copies)]
        self.urls: list[str] = []
        self.dead: list[str] = list(self._all)
        self.fault = fault
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.starts = self.stops = 0
        self.last_words = "its last words"

    @property
    def alive(self) -> bool:
        return not self.dead

    async def start(self) -> list[str]:
        self.starts += 1
        await asyncio.sleep(0)
        await self.may_start.wait()
        if self.fault is not None:
            raise self.fault
        self.urls, self.dead = list(self._all), []
        return self.urls

    async def stop(self) -> None:
        self.stops += 1
        self.dead = list(self._all)

    def kill(self, copy: int = 0) -> None:
        self.dead.append(self._all[copy])


class FakeHttp:
    """Answers through `answer`; knows which servers to call."""

    def __init__(self) -> None:
        self.serving: list[str] = []
        self.closed = 0
        self.transport = SimpleNamespace(serve=lambda urls: setattr(self, "serving", list(urls)))
        self.answer: Callable[[], Awaitable[Completion]] = self._at_once

    async def _at_once(self) -> Completion:
        return Completion("fine")

    async def complete(self, request: Request) -> Completion:
        return await self.answer()

    async def close(self) -> None:
        self.closed += 1


def make(server: FakeServer) -> tuple[VllmEngine, FakeHttp, list[Sequence[str]]]:
    http, connections = FakeHttp(), list[Sequence[str]]()

    def connect(urls: Sequence[str]) -> OpenAIEngine:
        connections.append(urls)
        return cast(OpenAIEngine, http)

    return VllmEngine(cast(VllmServer, server), "name@1234", connect), http, connections


async def outcomes(engine: VllmEngine, count: int) -> list[Any]:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.gather(*(engine.complete(ASK) for _ in range(count)), return_exceptions=True)


async def test_many_first_calls_start_one_server() -> None:
    server = FakeServer(copies=2)
    engine, http, connections = make(server)
    assert server.starts == 0
    assert await outcomes(engine, 20) == [Completion("fine")] * 20
    assert (server.starts, connections, http.serving) == (1, [server.urls], server.urls)
    assert engine.model == "name@1234"


async def test_a_crash_is_a_fault_of_the_moment_and_the_next_call_starts_the_server_again() -> None:
    server = FakeServer()
    engine, http, connections = make(server)
    await engine.complete(ASK)

    async def crash() -> Completion:
        await asyncio.sleep(0)  # until all are in flight
        server.dead = list(server.urls)
        raise TransientError("connection reset", "connection")

    http.answer = crash
    results = await outcomes(engine, 3)
    assert {error.cause for error in results} == {"server ended"}
    assert all(isinstance(error, TransientError) for error in results)
    http.answer = http._at_once
    assert await outcomes(engine, 5) == [Completion("fine")] * 5
    assert (server.starts, len(connections)) == (2, 1)


async def test_a_refused_connection_to_a_server_that_has_ended_does_not_stop_the_run() -> None:
    server = FakeServer()
    engine, http, _ = make(server)
    await engine.complete(ASK)

    async def refused() -> Completion:
        server.kill()
        raise EngineUnusable("nothing answers", "no-server")

    http.answer = refused
    with pytest.raises(TransientError, match="ended during the call"):
        await engine.complete(ASK)


@pytest.mark.parametrize("error", [EngineUnusable("no", "unknown-model"), TransientError("busy", "http 503")])
async def test_the_faults_of_a_server_that_runs_are_its_own(error: Exception) -> None:
    engine, http, _ = make(FakeServer())

    async def fail() -> Completion:
        raise error

    http.answer = fail
    with pytest.raises(type(error)) as caught:
        await engine.complete(ASK)
    assert caught.value is error


async def test_a_server_that_keeps_crashing_stops_the_run() -> None:
    server = FakeServer()
    engine, _, _ = make(server)
    await engine.complete(ASK)
    for _ in range(3):
        server.kill()
        await engine.complete(ASK)
    server.kill()
    results = await outcomes(engine, 5)
    assert all(isinstance(error, EngineUnusable) and error.cause == "vllm-crashes" for error in results)
    assert "its last words" in str(results[0])
    assert server.starts == 4
    assert {type(error) for error in await outcomes(engine, 2)} == {EngineUnusable}


async def test_old_crashes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(vllm, "time", SimpleNamespace(monotonic=lambda: now))
    server = FakeServer()
    engine, _, _ = make(server)
    await engine.complete(ASK)
    for _ in range(12):
        now += 1300.0
        server.kill()
        assert await engine.complete(ASK) == Completion("fine")


async def test_copies_that_run_are_asked_while_another_starts_again() -> None:
    server = FakeServer(copies=3)
    engine, http, _ = make(server)
    await engine.complete(ASK)
    server.may_start.clear()
    server.kill(1)
    async with asyncio.timeout(PATIENCE):
        await engine.complete(ASK)
    assert http.serving == [server.urls[0], server.urls[2]]
    server.may_start.set()
    await comes_true(lambda: server.alive)
    await engine.complete(ASK)
    assert http.serving == server.urls
    assert server.starts == 2


async def test_a_start_that_fails_is_told_to_all_who_wait_and_stays() -> None:
    server = FakeServer(fault=EngineUnusable("CUDA out of memory", "vllm-start"))
    engine, _, _ = make(server)
    assert {str(error) for error in await outcomes(engine, 10)} == {"CUDA out of memory"}
    assert {str(error) for error in await outcomes(engine, 3)} == {"CUDA out of memory"}
    assert server.starts == 1
    await engine.close()


async def test_closing_during_the_start_ends_it_and_leaves_nobody_waiting() -> None:
    server = FakeServer()
    server.may_start.clear()
    engine, _, _ = make(server)
    calls = [asyncio.create_task(engine.complete(ASK)) for _ in range(5)]
    await comes_true(lambda: server.starts)
    async with asyncio.timeout(PATIENCE):
        await engine.close()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert server.stops == 1
    server.may_start.set()
    assert await engine.complete(ASK) == Completion("fine")


async def test_closing_before_the_start_has_begun_lets_the_next_call_start_it() -> None:
    server = FakeServer()
    engine, _, _ = make(server)
    call = asyncio.create_task(engine.complete(ASK))
    await asyncio.sleep(0)  # the start is a task now that has not run yet
    await engine.close()
    await asyncio.gather(call, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        assert await engine.complete(ASK) == Completion("fine")


async def test_whoever_gives_up_waiting_does_not_end_the_start_of_the_others() -> None:
    server = FakeServer()
    server.may_start.clear()
    engine, _, _ = make(server)
    first, second = (asyncio.create_task(engine.complete(ASK)) for _ in range(2))
    await comes_true(lambda: server.starts)
    first.cancel()
    await asyncio.wait([first])
    server.may_start.set()
    assert await second == Completion("fine")
    assert server.starts == 1


async def test_closed_and_asked_again_it_starts_again_and_that_is_no_crash() -> None:
    server = FakeServer()
    engine, http, connections = make(server)
    for _ in range(6):
        await engine.complete(ASK)
        await engine.close()
    assert (server.starts, server.stops, http.closed, len(connections)) == (6, 6, 6, 6)


async def test_closing_what_never_started_does_no_harm() -> None:
    server = FakeServer()
    engine, _, _ = make(server)
    await engine.close()
    await engine.close()
    assert server.starts == 0
