"""Requests to stop a program: Ctrl-C, SIGTERM, a closed terminal, the end of the parent process.

Decides which signals count as one request, which listener handles it, and what a second request does. The current
listener stops in its own way (an event loop cancels its task, a training run finishes its step); without a listener
KeyboardInterrupt is raised. A second request ends the program at once. SIGQUIT is not handled: it ends the program
without a message. `cli` decides messages and exit codes.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

REQUESTS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

PARENT = "PROMPTCOT_PARENT"
"""The variable with the process id of the program that started this one, so that this one ends with it."""

INTERRUPTED = 130
_ONE_REQUEST = 1.0
"""Signals within this many seconds count as one request: terminals and `timeout` signal a process and its group."""
_LOOK_FOR_PARENT = 0.25
_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def held() -> Iterator[None]:
    """Let requests wait until the block is over, because an import that is cut short cannot be repeated."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def handled() -> None:
    """Tell CPython that a KeyboardInterrupt was handled, so that the exit code of the program counts.

    One that passed through `exec` of a text, as dataclasses and namedtuples use, leaves a mark with which the process
    ends by SIGINT whatever its exit code; the next such call removes the mark (pythonrun.c, run_eval_code_obj).
    """
    exec("")


class Listener:
    """Listens for requests to stop: the first one calls `first`, a second one goes to the previous listener.

    Its methods run between any two instructions of the main thread.
    """

    def __init__(self, first: Callable[[], None]) -> None:
        self._first = first
        self._since: float | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether a stop was requested."""
        return self._since is not None

    @contextmanager
    def listening(self, signals: Iterable[int] = REQUESTS) -> Iterator[None]:
        """Listen to these signals, except those that are ignored, as under `nohup`. In the main thread only."""
        self.listen(signals)
        try:
            yield
        finally:
            _restore(self._before)

    def listen(self, signals: Iterable[int] = REQUESTS) -> None:
        """Listen until the program ends."""
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._hear)

    def again(self, number: int, frame: FrameType | None) -> None:
        """Pass a second request to the previous listener."""
        before = self._before.get(number)
        owner = getattr(before, "__self__", None)
        if isinstance(owner, Listener):
            owner.again(number, frame)
        elif callable(before):
            before(number, frame)
        else:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._first()
        elif now - self._since > _ONE_REQUEST:
            self.again(number, frame)


def raising() -> list[int]:
    """The signals that currently raise KeyboardInterrupt, so that a waiting event loop can handle them instead."""
    return [number for number in REQUESTS if _raises(signal.getsignal(number))]


def _raises(handler: object) -> bool:
    return handler is signal.default_int_handler or isinstance(getattr(handler, "__self__", None), Listener)


class Program(Listener):
    """Listens for a whole program: the first request raises KeyboardInterrupt, unless the program is already over.

    A second request prints `last_words` and ends the program.
    """

    def __init__(self, last_words: str) -> None:
        super().__init__(self._raise)
        self._last_words, self._over = last_words, False

    def begin(self) -> None:
        """Listen until the interpreter exits. Requests during its shutdown are ignored."""
        self._unraisable = sys.unraisablehook
        self.listen()
        sys.unraisablehook = self._not_lost
        atexit.register(self._ignore)

    def over(self) -> None:
        """The exit code is known: later requests do not change it."""
        self._over = True

    def again(self, number: int, frame: FrameType | None) -> None:
        """End at once. Child processes end by themselves."""
        with suppress(OSError):
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)
            os.write(2, f"{self._last_words}\n".encode())
        os._exit(INTERRUPTED)

    def _raise(self) -> None:
        if not self._over:
            raise KeyboardInterrupt

    def _not_lost(self, told: sys.UnraisableHookArgs) -> None:
        """Python discards exceptions raised in a finalizer. A request that arrived in one is raised again after it."""
        if not issubclass(told.exc_type, KeyboardInterrupt):
            self._unraisable(told)
        elif not self._over:
            self._since = None
            threading.Timer(0.01, signal.raise_signal, [next(iter(self._before))]).start()

    @staticmethod
    def _ignore() -> None:
        for number in REQUESTS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Restore the signal handlers at the end of the block. Ray and torch set handlers of their own."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in (*REQUESTS, signal.SIGQUIT)}
    try:
        yield
    finally:
        _restore(before)


def _restore(handlers: Mapping[int, Any]) -> None:
    """Set handlers again, except those that were not set from Python."""
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)


@contextmanager
def inherited_deafness() -> Iterator[None]:
    """Programs that this thread starts in the block ignore requests to stop; their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when the process named in PARENT is gone, which may have been killed alone."""
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(_LOOK_FOR_PARENT)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
