"""Servers with rate limits, in simulated time: a day of theirs passes in a second."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


class _Leaping(selectors.DefaultSelector):
    """Never waits: when a loop would sleep, its clock jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self.now += timeout
        return super().select(0 if timeout is not None else None)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def leap(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a time of its own."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(work)


@dataclass
class Limit:
    """The limit of a server; `takes(now, in_work)` says whether it accepts one more call."""

    takes: Callable[[float, int], bool]
    a_minute: float
    """About what a patient client gets through."""


def fixed_window(calls: int, seconds: float, begins: float = 0.0) -> Limit:
    """So many in each window; those turned away count in no window."""
    counts: dict[int, int] = {}

    def takes(now: float, in_work: int) -> bool:
        window = int((now + begins) / seconds)
        counts[window] = counts.get(window, 0) + 1
        return counts[window] <= calls

    return Limit(takes, 60 * calls / seconds)


def sliding_window(calls: int, seconds: float) -> Limit:
    """So many in any time of that length."""
    taken: deque[float] = deque()

    def takes(now: float, in_work: int) -> bool:
        while taken and taken[0] <= now - seconds:
            taken.popleft()
        if len(taken) >= calls:
            return False
        taken.append(now)
        return True

    return Limit(takes, 60 * calls / seconds)


def bucket(seconds: float, burst: int) -> Limit:
    """One token each so many seconds, of which so many are saved."""
    state = {"left": float(burst), "at": 0.0}

    def takes(now: float, in_work: int) -> bool:
        state["left"] = min(burst, state["left"] + (now - state["at"]) / seconds)
        state["at"] = now
        if state["left"] < 1:
            return False
        state["left"] -= 1
        return True

    return Limit(takes, 60 / seconds)


def at_a_time(calls: int, latency: float) -> Limit:
    """So many at a time."""
    return Limit(lambda now, in_work: in_work < calls, 60 * calls / latency)


@dataclass
class Server:
    """Answers the calls within its limit after `latency` seconds, and rejects the others after `quick`."""

    limit: Limit
    latency: float = 0.5
    quick: float = 0.01
    in_work: int = 0
    answered: int = 0
    away: int = 0
    taken_at: list[float] = field(default_factory=list)

    async def ask(self) -> bool:
        """Whether it answered."""
        now = asyncio.get_running_loop().time()
        if not self.limit.takes(now, self.in_work):
            self.away += 1
            await asyncio.sleep(self.quick)
            return False
        self.in_work += 1
        self.taken_at.append(now)
        await asyncio.sleep(self.latency)
        self.in_work -= 1
        self.answered += 1
        return True
