"""An engine that is opened when it is first needed."""

from __future__ import annotations

import asyncio

import pytest

from promptcot.engines.lazy import LazyEngine
from promptcot.engines.protocol import Engine
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineUnusable
from promptcot.records import Request


class Shop:
    """Opens engines, and counts them."""

    def __init__(self) -> None:
        self.opened = 0

    def open(self) -> Engine:
        self.opened += 1
        return ScriptedEngine(lambda request: f"reply to {request.prompt}")


async def test_nothing_is_opened_until_something_is_asked_and_then_once() -> None:
    shop = Shop()
    engine = LazyEngine("m@0", shop.open)
    assert (engine.model, shop.opened) == ("m@0", 0)
    replies = await asyncio.gather(*(engine.complete(Request(f"{number}")) for number in range(5)))
    assert [reply.text for reply in replies] == [f"reply to {number}" for number in range(5)]
    assert shop.opened == 1


async def test_closed_it_is_opened_again_by_the_next_call() -> None:
    shop = Shop()
    engine = LazyEngine("m@0", shop.open)
    await engine.close()
    assert (await engine.embed(["a"])).shape == (1, 8)
    await engine.close()
    await engine.score("a", "b")
    assert shop.opened == 2


async def test_what_the_engine_says_of_itself_is_passed_on_while_it_is_open() -> None:
    inner = Shop().open()
    inner.note = "float32, 2 workers"  # type: ignore[attr-defined]
    engine = LazyEngine("m@0", lambda: inner)
    assert engine.note == ""
    await engine.complete(Request("p"))
    assert engine.note == "float32, 2 workers"
    await engine.close()
    assert engine.note == ""


async def test_what_opening_raises_reaches_every_caller() -> None:
    def broken() -> Engine:
        raise EngineUnusable("no weights")

    engine = LazyEngine("m@0", broken)
    fates = await asyncio.gather(*(engine.complete(Request("p")) for _ in range(3)), return_exceptions=True)
    assert [str(fate) for fate in fates] == ["no weights"] * 3
    with pytest.raises(EngineUnusable):
        await engine.embed(["a"])
