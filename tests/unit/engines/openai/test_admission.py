"""The gate: single faults change nothing, a server that rejects calls gets fewer, and no slot is ever lost."""

import asyncio
import random
from contextlib import suppress

import pytest

from promptcot.engines.openai.admission import Admission, Allowance, Bound, Call


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def feed(bound: Bound, calls: int, away: float, *, seed: int = 0, latency: float = 1.0, start: float = 0.0) -> float:
    """Let so many calls end, `limit` at a time in flight; a share of them turned away. The time it was then."""
    draw, now = random.Random(seed), start
    for _ in range(calls):
        now += latency / bound.limit
        bound.saw(Call(now - latency, tokens=100, turned_away=draw.random() < away), now, full=True)
    return now


@pytest.mark.parametrize("seed", range(10))
def test_isolated_faults_do_not_shrink_the_bound(seed: int) -> None:
    bound = Bound(1024, 0.0)
    lowest = bound.limit
    now = 0.0
    for _ in range(200):
        now = feed(bound, 50, 0.05, seed=seed * 1000 + int(now * 1e3), start=now)
        lowest = min(lowest, bound.limit)
    assert lowest == 16
    assert bound.limit == 1024


def serve(bound: Bound, calls: int, rate: float, quickest: float, start: float = 0.0) -> float:
    """Let so many calls end at a server that answers at most `rate` a second, and queues the others."""
    now = start
    for _ in range(calls):
        latency = max(quickest, bound.limit / rate)
        now += latency / bound.limit
        bound.saw(Call(now - latency, tokens=100), now, full=True)
    return now


@pytest.mark.parametrize(("rate", "enough"), [(100.0, 100), (1000.0, 1000), (4.0, 16)])
def test_a_queue_that_only_gets_longer_is_not_made_longer(rate: float, enough: int) -> None:
    """At one second a call, `rate` of them keep the server busy."""
    bound = Bound(4096, 0.0)
    serve(bound, 50_000, rate, quickest=1.0)
    assert enough / 2 <= bound.limit <= 2.3 * enough


@pytest.mark.parametrize("seed", range(4))
def test_pauses_of_milliseconds_do_not_starve_a_quick_server(seed: int) -> None:
    """A server with room for 4,000 calls a second that, like all on a busy machine, is slowed down again and again."""
    draw, bound = random.Random(seed), Bound(1024, 0.0)
    now, until, speed, calls = 0.0, 0.0, 1.0, 0
    while now < 20:
        if now >= until:
            speed, until = draw.choice([0.35, 0.6, 1.0, 1.0, 1.0]), now + draw.uniform(0.002, 0.06)
        latency = max(0.004, bound.limit / 4000) / speed
        now += latency / bound.limit
        bound.saw(Call(now - latency, tokens=100), now, full=True)
        calls += 1
    assert bound.limit >= 16
    assert calls / now > 0.9 * 4000 * 0.79  # 0.79 is the mean speed


def test_what_the_server_can_take_more_of_later_is_found_out() -> None:
    bound = Bound(4096, 0.0)
    now = serve(bound, 5_000, 50.0, quickest=1.0)
    assert bound.limit < 120
    serve(bound, 50_000, 500.0, quickest=1.0, start=now)
    assert bound.limit > 250


def test_a_server_that_turns_many_away_gets_fewer_and_then_more_again() -> None:
    bound = Bound(256, 0.0)
    now = feed(bound, 1000, 0.4)
    assert bound.limit < 16
    feed(bound, 5000, 0.0, start=now)
    assert bound.limit == 256


def test_a_server_that_turns_all_away_still_gets_one_call() -> None:
    bound = Bound(256, 0.0)
    feed(bound, 5000, 1.0)
    assert bound.limit == 1


def test_slower_and_doing_less_shrinks_the_bound_but_slower_alone_does_not() -> None:
    slower, worse = Bound(64, 0.0), Bound(64, 0.0)
    now = feed(slower, 200, 0.0)
    feed(slower, 64, 0.0, start=now, latency=1.2)
    assert slower.limit == 64
    now = feed(worse, 200, 0.0)
    feed(worse, 64, 0.0, start=now, latency=5.0)
    assert worse.limit < 64


def test_a_bound_that_is_not_reached_teaches_nothing() -> None:
    bound = Bound(1024, 0.0)
    for second in range(500):
        bound.saw(Call(second), second + 1.0, full=False)
    assert bound.limit == 16


async def hold(gate: Admission, release: asyncio.Event) -> None:
    async with gate.call(1):
        await release.wait()


async def test_no_more_calls_at_a_time_than_the_bound_and_first_come_first_served() -> None:
    gate = Admission(most=2)
    order: list[int] = []

    async def call(number: int) -> None:
        async with gate.call(1):
            order.append(number)
            assert gate.in_flight <= 2
            await asyncio.sleep(0)

    await asyncio.gather(*map(call, range(20)))
    assert order == list(range(20))
    assert gate.in_flight == 0


async def test_a_call_that_fails_gives_its_place_back() -> None:
    gate = Admission(most=1)
    for _ in range(5):
        with suppress(ValueError):
            async with gate.call(1):
                raise ValueError
    assert gate.in_flight == 0


@pytest.mark.parametrize("seed", range(5))
async def test_cancelling_whoever_waits_loses_no_place(seed: int) -> None:
    gate, draw = Admission(most=3), random.Random(seed)
    release = asyncio.Event()
    tasks = [asyncio.create_task(hold(gate, release)) for _ in range(60)]
    for step in range(300):
        await asyncio.sleep(0)
        draw.choice(tasks).cancel()
        if step == 20:
            release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.in_flight == 0
    async with gate.call(1):
        assert gate.in_flight == 1


async def test_cancelled_at_the_moment_of_admission_the_next_one_gets_the_place() -> None:
    gate, first, second = Admission(most=1), asyncio.Event(), asyncio.Event()
    holding = asyncio.create_task(hold(gate, first))
    await asyncio.sleep(0)
    waiting, last = (asyncio.create_task(hold(gate, second)) for _ in range(2))
    await asyncio.sleep(0)
    first.set()
    await holding  # `waiting` has been admitted, and does not know it yet
    waiting.cancel()
    second.set()
    await asyncio.wait_for(last, 1)
    assert gate.in_flight == 0


def test_an_allowance_is_spread_over_the_minute() -> None:
    allowance = Allowance(60, 0.0)
    waits = []
    for now in (0.0, 0.0, 1.0, 2.0):
        waits.append(allowance.wait(1, now))
        if not waits[-1]:
            allowance.take(1)
    assert waits == [0.0, 1.0, 0.0, 0.0]
    assert allowance.wait(1, 100.0) == 0.0
    allowance.take(1)
    assert allowance.wait(1, 100.0) == 1.0  # a long rest does not save up a burst


def test_more_than_a_seconds_worth_is_taken_when_all_is_paid_back() -> None:
    allowance = Allowance(60_000, 0.0)
    assert allowance.wait(4000, 0.0) == 0.0
    allowance.take(4000)
    assert allowance.wait(4000, 0.0) == pytest.approx(4.0)
    allowance.give_back(3500)
    assert allowance.wait(4000, 0.0) == pytest.approx(0.5)


async def test_tokens_that_were_not_used_are_given_back_and_those_of_the_prompt_are_not() -> None:
    clock = Clock()
    gate = Admission(tokens_per_minute=60_000, clock=clock)
    async with gate.call(1000) as call:
        call.tokens, call.unused = 100, 400
    assert gate._tokens is not None
    assert gate._tokens.wait(400, clock.now) == 0.0
    assert gate._tokens.wait(1000, clock.now) == pytest.approx(0.6)


async def test_requests_a_minute_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = Clock(), list[float]()
    gate = Admission(requests_per_minute=120, clock=clock)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    monkeypatch.setattr("promptcot.engines.openai.admission.asyncio.sleep", sleep)
    for _ in range(5):
        async with gate.call(1):
            pass
    assert sum(slept) == pytest.approx(1.5)
