"""The program of a worker process: reads calls of a verifier from standard input, one JSON list a line, and answers.

An answer is a list too: the return value of the verifier, or its exception and whether this is a deliberate refusal.
The program limits its own memory and CPU time: a call that exceeds the limit ends the process by SIGPROF, independent
of the load of the machine. A much larger limit on wall-clock time ends a process that hangs or has lost its parent.
Standard input and output are reserved for calls and answers; the output of libraries is discarded.
"""

from __future__ import annotations

import json
import os
import signal
import warnings
from typing import Any

from promptcot.errors import PromptCoTError

_ENDING = (signal.SIGPROF, signal.SIGALRM)


def limit_memory(size: int) -> None:
    """Limit the address space to `size` bytes if the platform can, and write no core files."""
    import resource

    for what, limit in ((resource.RLIMIT_AS, size), (resource.RLIMIT_CORE, 0)):
        try:
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        except (ValueError, OSError):  # macOS refuses to limit the address space
            continue


def patience(limit: float) -> float:
    """Seconds of wall-clock time after which a call that uses hardly any CPU is stopped."""
    return 30 * limit + 30


def main(limit: float, memory: int, name: str) -> None:
    """Answer calls until standard input ends; `limit` is the seconds of CPU that a call may take, `memory` in bytes."""
    calls, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    for theirs, how in ((0, os.O_RDONLY), (1, os.O_WRONLY)):
        os.dup2(os.open(os.devnull, how), theirs)
    limit_memory(memory)
    warnings.simplefilter("ignore")
    try:
        verifier = _opened(name)
    except (Exception, SystemExit) as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=answers, flush=True)
        return
    for ending in _ENDING:  # ends the process, even within a C function
        signal.signal(ending, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)  # the thread that started this process may have blocked them
    print("ready", file=answers, flush=True)
    for line in calls:
        call, arguments, options = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.setitimer(signal.ITIMER_REAL, patience(limit))
        answer = _answer(verifier, call, arguments, options)
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
        print(json.dumps(answer), file=answers, flush=True)


def _opened(name: str) -> Any:
    """The verifier; computer algebra is loaded before the time of a call starts."""
    from promptcot.grading import verifiers

    if name in verifiers.SHIPPED:
        from promptcot.grading import symbolic  # noqa: F401
    return verifiers.verifier_named(name)


def _answer(verifier: Any, call: str, arguments: list[Any], options: dict[str, Any]) -> list[Any]:
    """The verifier's return value, as [value], or its exception, as [None, text, whether it is a refusal]."""
    try:
        value = getattr(verifier, call)(*arguments, **options)
        if not isinstance(value, _RETURNS[call]):
            raise TypeError(f"`{call}` returned {type(value).__name__}")
        return [value]
    except (Exception, SystemExit) as error:
        meant = isinstance(error, (ValueError, PromptCoTError)) and bool(str(error))
        return [None, str(error) if meant else f"{type(error).__name__}: {error}", meant]


_RETURNS: dict[str, tuple[type, ...]] = {
    "extract": (str, type(None)),
    "grade": (bool,),
    "same": (bool,),
    "check_gold": (type(None),),
}
