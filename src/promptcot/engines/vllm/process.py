"""A child process that cannot outlive us: started under the guard, monitored, and stopped with all its descendants.

`server` decides which command runs and when it counts as ready. The separate program `guard` stops it, because a
process that was killed cannot clean up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from promptcot.engines.vllm import guard as vllm_guard
from promptcot.printable import presentable

_MARGIN = 10.0


class GuardedProcess:
    """A command that runs in its own session, with its output appended to `log`, until `stop` or our own end.

    Ctrl-C in the terminal does not reach it. It has `grace` seconds between SIGTERM and SIGKILL. It starts
    when it is created; raises OSError if the log cannot be written. `pid` is that of the command itself, 0 if it could
    not be started; `log_start` is the offset in the log at which its output begins.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, grace: float = 5.0) -> None:
        self._grace = grace
        guarded = [sys.executable, "-I", vllm_guard.__file__, str(os.getpid()), str(grace), *command]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            output.write(presentable(f"\n=== {started} {' '.join(command)}\n").encode())
            output.flush()
            self.log_start = output.tell()
            self._guard = subprocess.Popen(
                guarded,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(environment),
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as first_words:
            self.pid = int(first_words.readline() or 0)

    @property
    def alive(self) -> bool:
        """Whether the command runs. False as soon as it has ended, even while its orphans are being ended."""
        if self.pid == 0 or self._guard.poll() is not None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def ending(self) -> str:
        """How the command ended, in words."""
        code = self._guard.poll()
        if code is None or code < 0:
            return "ended"
        if code <= 128:
            return f"ended with exit code {code}"
        return f"was ended by signal {code - 128} ({signal.strsignal(code - 128)})"

    def release(self) -> None:
        """Request the end, without waiting for it."""
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()

    async def stop(self) -> None:
        """End the command and all its descendants; no process is left when this returns. May be called repeatedly."""
        self.release()
        await asyncio.to_thread(self._ended)

    def _ended(self) -> None:
        try:
            self._guard.wait(self._grace + _MARGIN)
        except subprocess.TimeoutExpired:
            vllm_guard.signal_all([*vllm_guard.descendants(self._guard.pid), self._guard.pid], signal.SIGKILL)
            self._guard.wait()
