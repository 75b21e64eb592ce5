"""The graders of this process: opened when first needed, shared by all threads, left behind by a fork, ended at exit.

Decides how long worker processes live. A fork has none of its parent's: it closes what it inherited of their pipes, so
that they still end when the parent does, and opens its own.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptcot.grading import Grader

_open: dict[tuple[str, float], Grader] = {}
_lock = threading.Lock()


def workers() -> int:
    """Worker processes of one grader: a comparison keeps one core busy, and most replies need none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, cores))


def grader(verifier: str, limit: float) -> Grader:
    """The grader of this process. Raises InputError for a verifier that there is not."""
    from promptcot.grading import Grader

    with _lock:
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
    """In a fork, where one thread is left, and the lock may be held by one that is not."""
    global _open, _lock
    inherited, _open, _lock = _open, {}, threading.Lock()
    for one in inherited.values():
        one.abandon()


os.register_at_fork(after_in_child=_start_anew)
atexit.register(close)
