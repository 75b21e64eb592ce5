"""Runs coroutines from synchronous code: from a script, or from a notebook whose event loop is already running."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from promptcot.interruption import Listener, raising

T = TypeVar("T")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result.

    Ctrl-C, and any other signal that raises KeyboardInterrupt here, cancels the coroutine. KeyboardInterrupt is raised
    after its cleanup, even if the coroutine has finished in the meantime.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _Here(work).wait()
    return _Beside(work).wait()


class _Here(Generic[T]):
    """Runs a coroutine in an event loop of this thread."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._listener = Listener(self._cancel)
        self._task: asyncio.Task[T] | None = None

    def wait(self) -> T:
        """The result, or what the coroutine raised."""
        try:
            if threading.current_thread() is not threading.main_thread():
                return asyncio.run(self._work)
            with self._listener.listening(raising()), asyncio.Runner() as runner:
                result = runner.run(self._main())
        except asyncio.CancelledError:
            if not self._listener.asked:
                raise
        finally:
            self._work.close()  # where it was never begun
        if self._listener.asked:
            raise KeyboardInterrupt
        return result

    async def _main(self) -> T:
        self._task = asyncio.create_task(self._work)
        if self._listener.asked:  # before there was a task
            self._task.cancel()
        return await self._task

    def _cancel(self) -> None:
        if self._task is not None:
            with suppress(RuntimeError):  # the loop is closed: it ended by itself
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


@contextmanager
def _raising_interrupts() -> Iterator[None]:
    """Raises KeyboardInterrupt on Ctrl-C: `asyncio.run` would only cancel its task, whose thread is waiting."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Beside(threading.Thread, Generic[T]):
    """Runs a coroutine in a separate thread with its own event loop."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        super().__init__(name="promptcot", daemon=True)
        self._work = work
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._result: list[T] = []
        self._error: BaseException | None = None

    def wait(self) -> T:
        """The result, or what the coroutine raised."""
        self.start()
        interrupted = False
        with _raising_interrupts():
            while not self._ended.is_set():
                try:
                    self._ended.wait()  # not join, which takes the thread for ended once it was interrupted
                except KeyboardInterrupt:
                    interrupted = True
                    self._cancel()
        if interrupted:
            raise KeyboardInterrupt
        if self._error is not None:
            raise self._error
        return self._result[0]

    def run(self) -> None:
        try:
            self._result.append(asyncio.run(self._main()))
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    def _cancel(self) -> None:
        self._begun.wait()
        assert self._loop is not None
        assert self._task is not None
        with suppress(RuntimeError):  # the loop is closed: it ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> T:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._work)
        self._begun.set()
        return await self._task
