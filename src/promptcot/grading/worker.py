"""The program of a worker process: reads pairs from standard input, one JSON list a line, and answers each.

It limits its own memory, and ends by itself when a pair takes much longer than allowed, so that it outlives neither a
hang nor a parent that was killed. Standard output is kept for the answers; what libraries print goes nowhere.
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


def main(limit: float, memory: int) -> None:
    """Answer pairs until standard input ends; `limit` is the seconds a pair may take, `memory` in bytes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit_memory(memory)
    warnings.simplefilter("ignore")
    from promptcot.grading import symbolic

    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, also in the middle of a C function
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        gold, answer, mutual = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, 2 * limit + 1)
        try:
            verdict = json.dumps(symbolic.same(gold, answer) and (not mutual or symbolic.same(answer, gold)))
        except RecursionError:
            verdict = "false"
        except MemoryError:
            verdict = "null"
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(verdict, file=answers, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
