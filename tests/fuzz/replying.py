"""Custom engines, stages and steps, as a recipe or `--engine` may name them: correct and faulty ones.

The good engine gives the replies of the mock server, most of them distorted: which ones follows from the request and
from the environment variable PROMPTCOT_FUZZ_SEED.
"""

import asyncio
import os
import random
import sys
from typing import Any

import promptcot
from promptcot.mock_server.replies import Voice
from promptcot.records import Request
from tests.mutations import mutated

SEED = "PROMPTCOT_FUZZ_SEED"
GOOD = "good"
"""Instead of a seed: all replies are as they should be."""
_VOICE = Voice(0, 30)
_ERRORS = [promptcot.RequestRefused("no", "refused"), promptcot.EngineUnusable("gone", "gone")]


def reply(request: Request) -> Any:
    """A text, a completion with something odd about it, or one of an engine's errors."""
    draws = random.Random(f"{os.environ.get(SEED)} {request.seed} {request.prompt}")
    asked = "\n".join([request.prompt, *(message.content for message in request.messages)])
    text = _VOICE.reply(asked, draws.randbytes(8))
    if os.environ.get(SEED, GOOD) == GOOD:
        return text
    if draws.random() < 0.6:
        text = mutated(text.encode(), draws).decode(errors=draws.choice(["replace", "surrogateescape"]))
    fate = draws.random()
    if fate < 0.02:
        return _ERRORS[fate < 0.002]
    if fate < 0.3:
        return promptcot.Completion(text, draws.choice(["length", "stop", "content_filter", "", "x" * 99]), 3, 5)
    return text


def open_engine(spec: Any, role: str, site: Any) -> Any:
    """An engine that answers."""
    return promptcot.ScriptedEngine(reply)


def open_none(spec: Any, role: str, site: Any) -> None:
    """Gives no engine."""


def open_raising(spec: Any, role: str, site: Any) -> Any:
    """Cannot open its engine."""
    raise KeyError("weights")


def open_leaving(spec: Any, role: str, site: Any) -> Any:
    """Ends the process, as a script with a mistake in its own arguments does."""
    sys.exit("usage: engine")


def open_half() -> Any:
    """Takes no arguments."""


def open_wrong(spec: Any, role: str, site: Any) -> Any:
    """An engine that lacks most of what engines have."""
    return promptcot.Completion("x", "stop", 1, 1)


def open_odd(spec: Any, role: str, site: Any) -> Any:
    """An engine whose replies are no completions."""
    return _Odd()


class _Odd:
    model = "odd"

    async def complete(self, request: Request) -> Any:
        fate = random.Random(f"{os.environ.get(SEED)} {request.seed}").randrange(6)
        if fate == 0:
            raise ValueError("an error of its own\n\x1b[31m")
        if fate == 1:
            raise SystemExit(7)
        if fate == 2:
            raise asyncio.CancelledError
        return [None, "text", promptcot.Completion(None, None, None, -1)][fate - 3]  # type: ignore[arg-type]

    async def score(self, prompt: str, continuation: str) -> Any:
        return None

    async def embed(self, texts: Any) -> Any:
        return random.Random(len(texts)).choice(
            [None, [], [[0.0]], [[float("nan")] * 4] * len(texts), [["a"]] * len(texts)]
        )

    async def close(self) -> None:
        raise OSError("cannot close")


class Same:
    """A step that changes nothing."""

    name = "same"

    def apply(self, row: Any) -> Any:
        return [row]

    def finish(self) -> Any:
        return ()


class Nothing(Same):
    """A step that returns no rows and gives no reasons."""

    def apply(self, row: Any) -> Any:
        return []


class Raises(Same):
    """A step that raises."""

    def apply(self, row: Any) -> Any:
        raise RuntimeError(row)


class Leaves(Same):
    """A step that ends the process."""

    def apply(self, row: Any) -> Any:
        sys.exit(9)


class Odd(Same):
    """A step that returns an invalid value, and whose summary cannot be written as JSON."""

    def apply(self, row: Any) -> Any:
        return [row, {"id": 1}] if len(row) % 2 else {"x": object()}

    def summary(self) -> Any:
        return {1: object(), "x": float("nan")}


class Late(Same):
    """A step that raises an error at the end, after all calls."""

    def finish(self) -> Any:
        yield {"id": "new"}
        raise ZeroDivisionError


class Stage:
    """A stage with unusual requests and parsing."""

    name = "stage"

    def ask(self, row: Any) -> Any:
        return [promptcot.Request(prompt=str(row), seed=len(str(row)), sampling=promptcot.Sampling())] * (
            len(str(row)) % 3
        )

    def read(self, row: Any, replies: Any) -> Any:
        return [[row], [], None, promptcot.Drop("", ["\ud800"]), promptcot.Retry("again", promptcot.Drop("no"))][
            len(str(replies)) % 5
        ]


def made(*anything: Any, **options: Any) -> Any:
    """A function instead of a class, whose parameters say nothing."""
    return Same()
