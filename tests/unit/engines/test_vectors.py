"""The engine whose replies are vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptcot.core.overlap.vectors import from_text
from promptcot.engines.opening import TEXTS_AT_ONCE
from promptcot.engines.scripted import ScriptedEngine
from promptcot.engines.vectors import Vectors
from promptcot.errors import EngineUnusable, RequestRefused, TransientError
from promptcot.records import Completion, Request


class Lengths(ScriptedEngine):
    """The vector of a text is its length and one; longer texts than nine are refused, and "late" fails for all."""

    def __init__(self) -> None:
        super().__init__(lambda request: Completion(""))
        self.batches: list[list[str]] = []
        self.too_few = False

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append([*texts])
        await asyncio.sleep(0)
        if any(len(text) > 9 for text in texts):
            raise RequestRefused("too long", "over-long")
        if "late" in texts:
            raise TransientError("later", "busy")
        return np.array([[len(text), 1] for text in texts[: 1 if self.too_few else None]], np.float32)


async def asked(engine: Vectors, *texts: str) -> list[Completion | BaseException]:
    return await asyncio.gather(*(engine.complete(Request(prompt=text)) for text in texts), return_exceptions=True)


async def test_requests_that_come_together_are_embedded_together() -> None:
    inner = Lengths()
    found = await asked(Vectors(inner), *("x" * (1 + place % 9) for place in range(2 * TEXTS_AT_ONCE + 1)))
    assert [len(batch) for batch in inner.batches] == [TEXTS_AT_ONCE, TEXTS_AT_ONCE, 1]
    vectors = [from_text(one.text).astype(np.float32) for one in found if isinstance(one, Completion)]
    assert all(np.isclose(np.linalg.norm(vector), 1, atol=1e-3) for vector in vectors)
    assert [round(float(vector[0] / vector[1])) for vector in vectors[:9]] == list(range(1, 10))


async def test_a_text_that_is_refused_costs_no_other() -> None:
    found = await asked(Vectors(Lengths()), "a", "x" * 10, "b")
    assert [type(one) for one in found] == [Completion, RequestRefused, Completion]


async def test_what_fails_for_a_moment_fails_for_all_that_came_along_and_can_be_asked_again() -> None:
    engine = Vectors(Lengths())
    assert [type(one) for one in await asked(engine, "a", "late")] == [TransientError] * 2
    assert [type(one) for one in await asked(engine, "a")] == [Completion]


async def test_an_engine_that_gives_too_few_vectors_is_named() -> None:
    inner = Lengths()
    inner.too_few = True
    found = await asked(Vectors(inner), "a", "b")
    assert [type(one) for one in found] == [EngineUnusable] * 2
    assert "returned 1 vectors for 2 texts" in str(found[0])


async def test_who_gives_up_waiting_takes_nobody_along() -> None:
    engine = Vectors(Lengths())
    first, second = (asyncio.create_task(engine.complete(Request(prompt=text))) for text in "ab")
    await asyncio.sleep(0)
    first.cancel()
    assert from_text((await second).text).size == 2
