"""The graders of this process: opened on first use, shared by all threads, dropped after a fork, closed at exit.

Decides how long worker processes live, and when the grading code is loaded. A forked process does not use its parent's
workers: it closes the inherited pipes, so that the workers still end with the parent, and starts its own.
"""

from __future__ import annotations

import atexit
import os
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptcot.grading import Grader

_loading = threading.RLock()
"""Held while modules are loaded, and during forks: a child would wait for ever for a module that another thread of its
parent was loading.
"""
_open: dict[tuple[str, float], Grader] = {}
_lock = threading.Lock()


@cache
def load() -> None:
    """Load the grading code. Everything that rewards import inside functions is loaded here in advance."""
    with _loading:
        from promptcot.core.parsing import traces  # noqa: F401
        from promptcot.grading import grader, verifiers  # noqa: F401


def workers() -> int:
    """Worker processes of one grader: a comparison keeps one core busy, and most replies need none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, cores))


def grader(verifier: str, limit: float) -> Grader:
    """The grader of this process. Raises InputError for an unknown verifier."""
    load()
    from promptcot.grading import Grader

    with _loading, _lock:  # it loads the module of a verifier of one's own
        if (verifier, limit) not in _open:
            _open[verifier, limit] = Grader(workers(), limit, verifier)
        return _open[verifier, limit]


def pids() -> list[int]:
    """Ids of the living worker processes."""
    with _lock:
        return sorted(pid for one in _open.values() for pid in one.pids)


def close() -> None:
    """End all worker processes; they are started again when needed."""
    with _lock:
        closing = list(_open.values())
        _open.clear()
    for one in closing:
        one.close()


def _start_anew() -> None:
    """Reset the state in a forked process, which has one thread, while the lock may be held by another."""
    global _open, _lock
    inherited, _open, _lock = _open, {}, threading.Lock()
    for one in inherited.values():
        one.abandon()


os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)
os.register_at_fork(after_in_child=_start_anew)
atexit.register(close)
