"""The program of a worker process: reads pairs from standard input, one JSON list a line, and answers each.

It limits its own memory and its own CPU time: a pair that takes longer than allowed ends the process by SIGPROF, on a
busy machine as on an idle one. A limit of wall clock far above that ends what waits for ever, so that it outlives
neither a hang nor a parent that was killed. Standard output is kept for the answers; what libraries print goes nowhere.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings


def limit_memory(size: int) -> None:
    """Limit the address space to `size` bytes where the platform can, and leave no core files."""
    import resource

    for what, limit in ((resource.RLIMIT_AS, size), (resource.RLIMIT_CORE, 0)):
        try:
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        except (ValueError, OSError):  # macOS refuses to limit the address space
            continue


def patience(limit: float) -> float:
    """Seconds of wall clock after which a pair is given up that uses no CPU, or is given hardly any."""
    return 30 * limit + 30


def main(limit: float, memory: int) -> None:
    """Answer pairs until standard input ends; `limit` is the seconds of CPU that a pair may take, `memory` in bytes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit_memory(memory)
    warnings.simplefilter("ignore")
    from promptcot.grading import symbolic

    for ending in (signal.SIGPROF, signal.SIGALRM):  # ends the process, also in the middle of a C function
        signal.signal(ending, signal.SIG_DFL)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        gold, answer, mutual = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.setitimer(signal.ITIMER_REAL, patience(limit))
        try:
            verdict = json.dumps(symbolic.same(gold, answer) and (not mutual or symbolic.same(answer, gold)))
        except RecursionError:
            verdict = "false"
        except MemoryError:
            verdict = "null"
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
        print(verdict, file=answers, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
