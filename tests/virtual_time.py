"""An event loop whose clock jumps to the next timer when nothing else is left to do: hours pass in milliseconds, and in
the same order each time.

Threads are not waited for by such a clock, so what is given to one (`asyncio.to_thread`) is done at once, in the loop.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class _Selector(selectors.DefaultSelector):
    """Never waits: the time until the next timer is added to the loop's clock."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen: the program waits for itself"
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `time()` begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(function(*args))
        except BaseException as error:
            done.set_exception(error)
        return done


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, _Result]]) -> _Result:
    """What `main` gives, called with the loop that it runs in."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()
