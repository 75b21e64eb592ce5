"""Rate limits of any kind are learnt from rejected calls, and no row is lost. The servers are simulated, in a time that
jumps, so hours of theirs pass in a second.
"""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from promptcot.engines.openai.admission import Admission
from promptcot.errors import EngineUnusable, SystematicFailure, TransientError
from promptcot.records import Completion, Failed, Request
from promptcot.runners.local import LocalRunner
from tests.unit.engines.openai.limited import Limit, Server, at_a_time, bucket, fixed_window, leap, sliding_window
from tests.unit.engines.openai.test_runs import run


class Limited:
    """An engine over a simulated server, with the gate of the real one."""

    model = "limited"

    def __init__(self, server: Server, most: int = 1024) -> None:
        self.server = server
        self.gate = Admission(most, clock=asyncio.get_running_loop().time)

    async def complete(self, request: Request) -> Completion:
        async with self.gate.call(10) as call:
            if await self.server.ask():
                call.tokens = 10
                return Completion("fine", "stop", 5, 10)
            call.turned_away = call.limited = True
            raise TransientError("too many", "http 429")

    async def score(self, prompt: str, continuation: str) -> object:
        raise EngineUnusable("no")

    async def embed(self, texts: object) -> object:
        raise EngineUnusable("no")

    async def close(self) -> None:
        pass


def finish(server: Server, rows: int, folder: Path) -> tuple[int, float, Limited]:
    """How many rows were answered, in how many minutes, and the engine."""

    async def work() -> tuple[int, float, Limited]:
        engine = Limited(server)
        outcomes, _ = await run(engine, folder, rows, LocalRunner(256))  # type: ignore[arg-type]
        failed = sum(isinstance(outcome.result, Failed) for outcome in outcomes)
        return len(outcomes) - failed, asyncio.get_running_loop().time() / 60, engine

    return leap(work())


# limit, seconds of a call, rows, the greatest share of calls turned away, the least share of the allowance used
KINDS: dict[str, tuple[Callable[[], Limit], float, int, float, float]] = {
    "10 in each 30 s": (lambda: fixed_window(10, 30), 0.5, 100, 0.35, 0.8),
    "10 in each 30 s, from the middle of one": (lambda: fixed_window(10, 30, begins=25), 0.5, 100, 0.35, 0.8),
    "10 in each 30 s, for long": (lambda: fixed_window(10, 30), 0.5, 600, 0.1, 0.85),
    "20 in each minute": (lambda: fixed_window(20, 60), 0.5, 100, 0.3, 0.8),
    "20 in each minute, for long": (lambda: fixed_window(20, 60, begins=50), 0.5, 600, 0.1, 0.85),
    "5 in each 10 s": (lambda: fixed_window(5, 10), 0.5, 300, 0.2, 0.8),
    "2 in each second": (lambda: fixed_window(2, 1), 0.5, 600, 0.2, 0.8),
    "20 in any minute": (lambda: sliding_window(20, 60), 0.5, 100, 0.3, 0.8),
    "20 in any minute, slow calls": (lambda: sliding_window(20, 60), 40.0, 600, 0.15, 0.8),
    "10 in each 30 s, slower calls": (lambda: fixed_window(10, 30), 60.0, 600, 0.15, 0.8),
    "one each 3 s": (lambda: bucket(3, 1), 0.5, 100, 0.4, 0.75),
    "one each 3 s, 5 saved": (lambda: bucket(3, 5), 0.5, 100, 0.4, 0.8),
    "ten a second": (lambda: bucket(0.1, 10), 0.5, 1000, 0.2, 0.8),
    "4 at a time": (lambda: at_a_time(4, 1.0), 1.0, 100, 0.25, 0.9),
    "4 at a time, slow calls": (lambda: at_a_time(4, 60.0), 60.0, 100, 0.25, 0.9),
    "4 at a time, for long": (lambda: at_a_time(4, 10.0), 10.0, 600, 0.1, 0.9),
    "1 at a time": (lambda: at_a_time(1, 2.0), 2.0, 100, 0.25, 0.9),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_rows_come_through_with_few_calls_turned_away(kind: str, tmp_path: Path) -> None:
    make, latency, rows, most_away, least_used = KINDS[kind]
    server = Server(make(), latency)
    answered, minutes, _ = finish(server, rows, tmp_path)
    assert answered == rows
    assert server.away <= most_away * (server.away + rows)
    assert rows / minutes >= least_used * server.limit.a_minute


def test_the_rate_that_is_found_is_about_the_allowance(tmp_path: Path) -> None:
    _, _, engine = finish(Server(fixed_window(10, 30)), 200, tmp_path)
    assert engine.gate.pace.rate is not None
    assert 15 <= 60 * engine.gate.pace.rate <= 25


def test_a_limit_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    tight = fixed_window(10, 30)
    server = Server(Limit(lambda now, in_work: now > 600 or tight.takes(now, in_work), 20))
    _, minutes, engine = finish(server, 3000, tmp_path)
    assert engine.gate.pace.is_free
    assert minutes < 10 + 15


def test_a_rest_is_no_measure_of_what_a_server_takes(tmp_path: Path) -> None:
    """After ten minutes in which nothing was asked, calls are turned away at once: that is not ten minutes for one."""

    async def work() -> float | None:
        loop = asyncio.get_running_loop()
        engine = Limited(Server(Limit(lambda now, in_work: now < 100 or now > 605, 0)))
        await run(engine, tmp_path / "a", 20, LocalRunner(1))  # type: ignore[arg-type]
        await asyncio.sleep(600 - loop.time())
        await run(engine, tmp_path / "b", 1, LocalRunner(1))  # type: ignore[arg-type]
        return engine.gate.pace.rate

    rate = leap(work())
    assert rate is None or rate > 0.05


def test_single_faults_prove_no_limit(tmp_path: Path) -> None:
    """Each twentieth call is turned away, by chance: that must not make a quick server slow."""
    draw = random.Random(1)
    server = Server(Limit(lambda now, in_work: draw.random() > 0.05, 0))
    answered, minutes, engine = finish(server, 3000, tmp_path)
    calm = finish(Server(Limit(lambda now, in_work: True, 0)), 3000, tmp_path / "calm")[1]
    assert answered == 3000
    assert minutes < 2 * calm
    assert engine.gate.pace.is_free


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_turns_calls_away_by_chance_is_not_asked_ever_more_slowly(seed: int, tmp_path: Path) -> None:
    """Three in ten, whatever the rate, since others use it too: going slower would not end."""
    draw = random.Random(seed)
    answered, minutes, _ = finish(Server(Limit(lambda now, in_work: draw.random() > 0.3, 0)), 400, tmp_path)
    assert answered == 400
    assert minutes < 15


def test_minutes_in_which_nothing_is_taken_are_no_measure(tmp_path: Path) -> None:
    """A provider that is full for ten minutes is not one that takes one call in ten minutes."""
    answered, minutes, _ = finish(Server(Limit(lambda now, in_work: now > 600, 0)), 100, tmp_path)
    assert answered == 100
    assert minutes < 10 + 10


def test_a_server_that_answers_nobody_any_more_uses_up_the_tries(tmp_path: Path) -> None:
    """A row that is turned away while nothing else gets through fails in the end, and enough of them stop the run."""
    server = Server(Limit(lambda now, in_work: server.answered < 30, 0), 0.1)
    with pytest.raises(SystematicFailure, match="too many"):
        finish(server, 400, tmp_path)


async def test_a_caller_that_leaves_a_closed_gate_takes_no_place_along() -> None:
    loop = asyncio.get_running_loop()
    gate = Admission(clock=loop.time)
    for _ in range(2):
        async with gate.call(1) as call:
            call.turned_away = call.limited = True
    assert gate.pace.closed
    waiting = [asyncio.create_task(_pass(gate)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:3]:
        task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting, return_exceptions=True)
    assert gate.in_flight == 0
    assert not gate.pace.closed


async def test_a_try_that_was_never_made_opens_no_gate() -> None:
    gate = Admission(clock=asyncio.get_running_loop().time)
    for _ in range(2):
        async with gate.call(1) as call:
            call.turned_away = call.limited = True
    waiting = asyncio.create_task(gate.enter(1))
    while not gate.in_flight:  # the try is let through, and its caller leaves before it hears of that
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert gate.in_flight == 0
    assert gate.pace.closed
    assert gate.pace.wait(asyncio.get_running_loop().time() + 60, 0) == 0
    assert gate.pace.closed


async def _pass(gate: Admission) -> None:
    async with gate.call(1):
        pass
