"""Faulty custom engines: one error that names the engine."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from promptcot.engines.own import OwnEngine, opened
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineUnusable, InputError
from promptcot.records import Request


class Odd(ScriptedEngine):
    """Returns a given reply, and cannot be closed."""

    def __init__(self, vectors: Any = None) -> None:
        super().__init__(lambda _: sys.exit(7))
        self._vectors = vectors

    async def embed(self, texts: Any) -> Any:
        return self._vectors

    async def close(self) -> None:
        raise OSError("stuck")


async def test_an_engine_that_ends_the_process_stops_the_run_instead() -> None:
    with pytest.raises(EngineUnusable, match="mine: it raised SystemExit: 7"):
        await OwnEngine(Odd(), "mine").complete(Request("x"))


async def test_an_opener_that_ends_the_process_has_opened_nothing() -> None:
    async def leave() -> Any:
        sys.exit("usage: …")

    with pytest.raises(InputError, match="engine mine: it cannot be opened: SystemExit"):
        await opened("mine", leave)


async def test_an_engine_that_cannot_be_closed_is_named() -> None:
    async def opener() -> Any:
        return Odd()

    engine = await opened("mine", opener)
    with pytest.raises(EngineUnusable, match="mine: closing it raised OSError: stuck"):
        await engine.close()


@pytest.mark.parametrize("vectors", [None, [], [[]], [["a"]], [1.0], [[1.0], [2.0]], [[[1.0]]], [[1.0], [1.0, 2.0]]])
async def test_vectors_that_are_none_are_refused(vectors: Any) -> None:
    with pytest.raises(EngineUnusable, match="mine: `embed`"):
        await OwnEngine(Odd(vectors), "mine").embed(["a"])


async def test_lists_of_numbers_are_vectors() -> None:
    found = await OwnEngine(Odd([[1, 2]]), "mine").embed(["a"])
    assert found.dtype == np.float32
    assert found.tolist() == [[1.0, 2.0]]
