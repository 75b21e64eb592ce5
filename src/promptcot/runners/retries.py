"""When a call is asked once more, and after how long: the one place that decides it."""

from __future__ import annotations

from dataclasses import dataclass

from promptcot.errors import TransientError
from promptcot.records import derive_seed


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential back-off with jitter: `tries` calls in all, `base` seconds doubled up to `longest`."""

    tries: int = 6
    base: float = 0.5
    longest: float = 60.0

    def delay(self, failures: int, error: TransientError, seed: int) -> float | None:
        """Seconds to wait after the `failures`-th failure (from 1), or None when it was the last try.

        Full jitter over the upper half, drawn from the request's seed so that a run can be repeated; never shorter than
        what the server asked for.
        """
        if failures >= self.tries:
            return None
        jitter = derive_seed(seed, "back-off", failures) / 2**31
        delay = min(self.longest, self.base * 2.0 ** (failures - 1)) * (0.5 + jitter / 2)
        return max(delay, error.retry_after or 0.0)
