"""Stops a stage if nearly all of its calls fail. The runner decides what a failure is and when to retry."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from promptcot.core.units import duration
from promptcot.errors import LIMITED, SystematicFailure, TransientError

_NO_FAULT = {LIMITED, "server ended"}


class Health:
    """Detects when nearly all calls fail or return empty replies.

    A refused request is a fault of its row, and a file may hold many of them in sequence, so they count only among the
    first calls. Replies from the journal that are not empty count as well, so that a resumed run is judged by all known
    replies. `readability` decides whether replies can be used.
    """

    _FIRST_LOOK = 20
    _WINDOW = 200
    _PATIENCE = 180.0
    _LIMITED_FOR, _LIMITED_CALLS = 1200.0, 10

    def __init__(self, stage: str, journal: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._stage = stage
        self._journal = journal
        self._clock = clock
        self._attempts: deque[bool] = deque(maxlen=self._WINDOW)
        self._bad_since: float | None = None
        self._limited_since: float | None = None
        self._limited = 0
        self.answered = 0
        """Calls answered by the engine so far."""
        self._recent: deque[bool] = deque(maxlen=self._WINDOW)
        self._seen = self._useless = 0

    def attempt_succeeded(self) -> None:
        """The engine answered."""
        self._attempts.append(True)
        self.answered += 1
        self._bad_since = self._limited_since = None

    def attempt_failed(self, error: TransientError) -> None:
        """A call failed and may be retried. Raises SystematicFailure after three minutes without any success.

        A server that limits the rate gets twenty minutes. A server that is being restarted is left to its engine.
        """
        if error.cause == LIMITED:
            self._was_limited(error)
        if error.cause in _NO_FAULT:
            return
        now = self._clock()
        self._attempts.append(False)
        self._bad_since = now if self._bad_since is None else self._bad_since
        bad = self._attempts.count(False)
        if bad > self._WINDOW / 2 and now - self._bad_since > self._PATIENCE:
            self._stop(bad, len(self._attempts), str(error))

    def _was_limited(self, error: TransientError) -> None:
        now = self._clock()
        if self._limited_since is None:
            self._limited_since, self._limited = now, 0
        self._limited += 1
        waited = now - self._limited_since
        if waited > self._LIMITED_FOR and self._limited >= self._LIMITED_CALLS:
            raise SystematicFailure(
                f"{self._stage}: the server has rejected every call for {duration(waited)}, so the stage was stopped. "
                f"The last one: {error}\n"
                "The rate limit is used up, perhaps by other clients. Run the same command again later to resume; "
                "--requests-per-minute N keeps the run below the server's limit"
            )

    def saw(self, *, good: bool, counts: bool = True, words: str = "an empty reply") -> None:
        """Raises SystematicFailure when all of the first 20 replies, or more than half of the last 200, were bad."""
        self._seen += 1
        self._useless += not good
        if counts:
            self._recent.append(good)
        bad = self._recent.count(False) if not good else 0
        if not good and self._useless == self._seen == self._FIRST_LOOK:
            self._stop(self._useless, self._seen, words)
        if len(self._recent) == self._WINDOW and bad > self._WINDOW / 2:
            self._stop(bad, self._WINDOW, words)

    def _stop(self, bad: int, seen: int, words: str) -> None:
        raise SystematicFailure(
            f"{self._stage}: {bad} of the last {seen} replies failed or were empty, so the stage was stopped. "
            f"The last one: {words}\n"
            "Check the model, its prompt and its server; then run the same command again. "
            f"Empty replies are kept in {self._journal}: "
            "move that folder away to request them again"
        )
