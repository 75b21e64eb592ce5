"""The maximum and the actual cost of a call, and a budget that is never exceeded, also with concurrent calls."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from promptcot import domains
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import TransientError
from promptcot.pipeline.plan import steps_of
from promptcot.pipeline.run import Run, load_spent
from promptcot.recipe.loading import parse
from promptcot.recipe.schema import Price
from promptcot.records import Completion, Drop, Item, Message, Request, Retry, Row, Sampling
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.budget import Budget, BudgetReached, Paid, cost, most
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from tests.integration import scripted_run
from tests.programs import PATIENCE

PRICE = Price(prompt=2.0, completion=8.0)
REQUEST = Request(prompt="p" * 44, sampling=Sampling(max_tokens=100))
"""At most 300 tokens of prompt and 100 of completion: 0.0014."""


def test_the_price_is_for_a_million_tokens() -> None:
    assert PRICE.of(1_000_000, 500_000) == pytest.approx(6.0)


def test_the_most_a_call_can_cost_counts_bytes_and_all_that_may_be_written() -> None:
    assert most(PRICE, REQUEST) == pytest.approx((300 * 2 + 100 * 8) / 1e6)
    chat = Request(messages=(Message("user", "∑" * 10), Message("user", "\ud800")), sampling=Sampling(max_tokens=1))
    assert most(PRICE, chat) >= PRICE.of(31, 1)


@pytest.mark.parametrize(("prompt", "completion"), [(None, 5), (5, None), (None, None)])
def test_a_call_whose_tokens_nobody_counted_costs_the_most(prompt: int | None, completion: int | None) -> None:
    assert cost(PRICE, REQUEST, Completion("x", "stop", prompt, completion)) == most(PRICE, REQUEST)
    assert cost(PRICE, REQUEST, Completion("x", "stop", 10, 5)) == PRICE.of(10, 5)


def test_no_price_is_no_cost_and_not_zero() -> None:
    paid = Paid()
    paid.add(5, 5, None)
    assert paid.summary()["cost"] is None
    paid.add(5, 5, 0.25)
    assert (paid.summary()["cost"], paid.unpriced, paid.calls) == (0.25, 1, 2)


async def test_a_call_waits_while_calls_in_flight_may_still_leave_enough() -> None:
    budget = Budget(1.0)
    events: list[str] = []

    async def call(name: str, amount: float, spends: float) -> None:
        async with budget.hold(amount):
            events.append(f"{name} begins")
            await asyncio.sleep(0.01)
            budget.spend(spends)
            events.append(f"{name} ends")

    await asyncio.gather(call("first", 0.8, 0.1), call("second", 0.8, 0.1))
    assert events == ["first begins", "first ends", "second begins", "second ends"]
    assert budget.spent == pytest.approx(0.2)


async def test_whoever_waits_for_money_that_was_spent_is_told() -> None:
    budget = Budget(1.0)

    async def call(spends: float) -> None:
        async with budget.hold(0.6):
            await asyncio.sleep(0)
            budget.spend(spends)

    results = await asyncio.gather(*(call(0.6) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), *[BudgetReached] * 4]
    assert "0.6000 of 1.0 is spent" in str(results[1])
    assert "--max-cost" in str(results[1])


async def test_a_call_that_broke_off_or_was_cancelled_gives_back_what_it_held() -> None:
    budget = Budget(1.0)
    for error in (ValueError(), asyncio.CancelledError()):
        with suppress(ValueError, asyncio.CancelledError):
            async with budget.hold(1.0):
                raise error
    async with asyncio.timeout(PATIENCE), budget.hold(1.0):
        pass
    holding = asyncio.Event()

    async def hold() -> None:
        async with budget.hold(1.0):
            holding.set()
            await asyncio.sleep(2 * PATIENCE)

    holder = asyncio.create_task(hold())
    await holding.wait()
    waiter = asyncio.create_task(hold())
    await asyncio.sleep(0)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(waiter, holder, return_exceptions=True)
    async with asyncio.timeout(PATIENCE), budget.hold(1.0):
        pass


async def test_what_costs_nothing_is_never_held_up() -> None:
    budget = Budget(1.0)
    budget.spend(5.0)  # an earlier run had a higher cap
    async with asyncio.timeout(PATIENCE), budget.hold(0.0):
        pass


class Ask:
    """Makes a call with a row's number."""

    name = "ask"

    def ask(self, row: Row) -> Sequence[Request]:
        return [Request(prompt="p" * 44, seed=row["seed"], sampling=Sampling(max_tokens=100))]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        return [row]


async def items(count: int) -> AsyncIterator[Item]:
    for number in range(count):
        yield Item(number, {"id": str(number), "seed": number})


def written(request: Request) -> Completion:
    """A reply of some length, by the seed."""
    return Completion("x", "stop", 40, random.Random(request.seed).randint(1, 100))


async def spend(folder: Path, count: int, cap: float | None) -> tuple[float, StageCounts, int]:
    """What was really paid by one process, with its books and how many calls it made."""
    billed, faults = 0.0, random.Random(count)

    def script(request: Request) -> Completion | Exception:
        nonlocal billed
        if request.seed % 7 == 0 and faults.random() < 0.5:
            return TransientError("reset", "connection")
        reply = written(request)
        billed += PRICE.of(reply.prompt_tokens or 0, reply.completion_tokens or 0)
        return reply

    draw = random.Random(1)
    engine = ScriptedEngine(script, latency=lambda _: draw.random() / 200)
    budget, counts = Budget(cap), StageCounts("ask")
    runner = LocalRunner(32, Retries(base=0.001), budget=budget)
    with Journal(folder) as journal:
        load_spent(journal, counts, PRICE, budget)
        with suppress(BudgetReached):
            async for _ in runner.run(Ask(), items(count), engine, journal, counts):
                pass
    return billed, counts, engine.asked


async def test_the_cap_is_never_exceeded_and_holds_over_resumes(tmp_path: Path) -> None:
    full, _, _ = await spend(tmp_path / "full", 200, None)
    billed = 0.0
    for cap in (full / 4, full / 4, full / 2, full * 2):
        paid, counts, _ = await spend(tmp_path / "capped", 200, cap)
        billed += paid
        assert billed <= cap + 1e-12
        assert counts.cost == pytest.approx(billed, abs=1e-6)
    assert billed == pytest.approx(full)


async def test_a_cap_is_used_up_to_what_one_call_may_cost(tmp_path: Path) -> None:
    full, _, _ = await spend(tmp_path / "full", 200, None)
    billed, _, _ = await spend(tmp_path / "capped", 200, full / 2)
    assert full / 2 - billed < most(PRICE, REQUEST)


async def test_the_cost_of_two_runs_in_the_summary_is_their_sum(tmp_path: Path) -> None:
    price = {"prompt": 2.0, "completion": 8.0}
    bill = 0.0

    async def run(candidates: int) -> dict[str, float]:
        nonlocal bill
        judges = [{"name": "a", "price": price}, {"name": "b", "price": price}]
        table = {"run": {"max_candidates": candidates, "max_cost": 9}, "judge": judges, "generate": {"price": price}}
        recipe = parse({"prompts": "nano", **table})

        def engine(script: object, name: str) -> ScriptedEngine:
            def billed(request: Request) -> Completion | Exception:
                nonlocal bill
                reply = script(request)  # type: ignore[operator]
                if isinstance(reply, Completion):
                    bill += PRICE.of(reply.prompt_tokens or 0, reply.completion_tokens or 0)
                return reply  # type: ignore[no-any-return]

            return ScriptedEngine(billed, model=name)

        engines = {
            "generate": engine(scripted_run.write, "g"),
            "judge-a": engine(scripted_run.rate, "a"),
            "judge-b": engine(scripted_run.rate, "b"),
        }
        budget = Budget(9)
        runner = LocalRunner(8, budget=budget)
        steps = steps_of(recipe, domains.load("nano"))
        rows = scripted_run.combinations()
        await Run(steps, recipe.run, tmp_path, engines, rows, runner, budget=budget).run({})
        assert budget.spent == pytest.approx(bill)
        summary = json.loads((tmp_path / "summary.json").read_text())["stages"]
        return {name: stage["cost"] for name, stage in summary.items() if stage["cost"] is not None}

    first = await run(40)
    assert sum(first.values()) == pytest.approx(bill)
    second = await run(80)
    assert sum(second.values()) == pytest.approx(bill)
    assert sum(second.values()) > 1.5 * sum(first.values())
    assert sum((await run(80)).values()) == pytest.approx(bill)
