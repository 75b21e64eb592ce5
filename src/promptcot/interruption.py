"""What asks a program to stop from outside: Ctrl-C, SIGTERM, a terminal that is closed, the end of its parent.

Decides what counts as one request, who hears it, and what a second one does: whoever works at the moment stops in a way
of its own (an event loop cancels its task, a training finishes its step), else KeyboardInterrupt is raised; a second
request ends the program at once. SIGQUIT stays what it is everywhere, an end without any words. What is said and how
an exit code comes about is decided in `cli`.
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
"""The variable that tells a program who started it, so that it ends with that one."""

INTERRUPTED = 130
_ONE_REQUEST = 1.0
"""Seconds within which several signals are one request: terminals and `timeout` signal a process and its group."""
_LOOK_FOR_PARENT = 0.25
_SHOW_CURSOR = b"\x1b[?25h"


class Listener:
    """Hears requests to stop: `first` is called at the first one; a second one is for who listened before.

    Its methods run between any two instructions of the main thread.
    """

    def __init__(self, first: Callable[[], None]) -> None:
        self._first = first
        self._since: float | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether anybody asked."""
        return self._since is not None

    @contextmanager
    def listening(self, signals: Iterable[int] = REQUESTS) -> Iterator[None]:
        """Listen to these signals, except where they are ignored, as under `nohup`. In the main thread only."""
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
        """What a second request does: what it does to who listened before."""
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
    """The signals that raise KeyboardInterrupt now, so that whoever waits for work may hear them instead."""
    return [number for number in REQUESTS if _raises(signal.getsignal(number))]


def _raises(handler: object) -> bool:
    return handler is signal.default_int_handler or isinstance(getattr(handler, "__self__", None), Listener)


class Program(Listener):
    """Listens for a whole program: the first request raises KeyboardInterrupt, unless the program is over by then.

    `last_words` are what a second request leaves behind.
    """

    def __init__(self, last_words: str) -> None:
        super().__init__(self._raise)
        self._last_words, self._over = last_words, False

    def begin(self) -> None:
        """Listen from here to the end of the interpreter, which ignores requests in its last moments."""
        self._unraisable = sys.unraisablehook
        self.listen()
        sys.unraisablehook = self._not_lost
        atexit.register(self._ignore)

    def over(self) -> None:
        """The exit code is known: a request changes it no more."""
        self._over = True

    def again(self, number: int, frame: FrameType | None) -> None:
        """End at once. What other programs were started for this one ends by itself."""
        with suppress(OSError):
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)
            os.write(2, f"{self._last_words}\n".encode())
        os._exit(INTERRUPTED)

    def _raise(self) -> None:
        if not self._over:
            raise KeyboardInterrupt

    def _not_lost(self, told: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in a finalizer: a request that came in one is made once more, after it."""
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
    """Libraries that set handlers of their own, as Ray and torch do, have them until the end of the block only."""
    if threading.current_thread() is not threading.main_thread():  # no handler can be set here
        yield
        return
    before = {number: signal.getsignal(number) for number in (*REQUESTS, signal.SIGQUIT)}
    try:
        yield
    finally:
        _restore(before)


def _restore(handlers: Mapping[int, Any]) -> None:
    """Set handlers again, except those that are none of Python's."""
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)


@contextmanager
def inherited_deafness() -> Iterator[None]:
    """Programs that this thread starts in the block never hear requests to stop: who started them ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process, if it was started with PARENT, when that one is gone: a kill may have hit it alone."""
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(_LOOK_FOR_PARENT)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
