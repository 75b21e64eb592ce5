"""How long work shows itself: a live table on a terminal, a plain line every few seconds elsewhere.

Everything is read from the tallies; nothing is reported by the runners. Works in a thread of its own, so that a busy
event loop does not silence it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from promptcot.tally import Tally

_PLAIN_EVERY = 10.0
_LOOK_EVERY = 0.25


class Progress:
    """Shows tallies until it is left. `total` is the number of rows that come in, where it is known.

    With `accepted` the share of rows that the last stage keeps, and the rows still to be accepted up to `target`, are
    shown as well.
    """

    def __init__(
        self,
        tallies: Mapping[str, Tally],
        *,
        total: int | None,
        target: int | None = None,
        console: Console | None = None,
    ) -> None:
        self._tallies = tallies
        self._total = total
        self._target = target
        self._console = console or Console(stderr=True)
        self._done = threading.Event()
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._live if self._console.is_terminal else self._plain, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _live(self) -> None:
        with Live(self._table(), console=self._console, transient=True, auto_refresh=False) as live:
            while not self._done.wait(_LOOK_EVERY):
                live.update(self._table(), refresh=True)

    def _plain(self) -> None:
        while not self._done.wait(_PLAIN_EVERY):
            for name, tally in self._tallies.items():
                if tally.rows_in:
                    self._console.print(f"{name}: {', '.join(self._facts(tally))}", soft_wrap=True, highlight=False)
            self._console.print(self._outlook(), soft_wrap=True, highlight=False)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, tally in self._tallies.items():
            table.add_row(name, *self._facts(tally))
        table.add_row("", self._outlook())
        return table

    def _facts(self, tally: Tally) -> list[str]:
        facts = [f"{tally.rows_done:,}/{max(tally.rows_in, tally.rows_done):,} rows", f"{tally.rows_out:,} kept"]
        if tally.failed:
            facts.append(f"{tally.failed.total():,} failed")
        if tally.reused:
            facts.append(f"{tally.reused:,} calls reused")
        if tally.completion_tokens:
            facts.append(f"{tally.completion_tokens / self._elapsed:,.0f} tokens/s")
        return facts

    def _outlook(self) -> str:
        """Rate of the last stage, its accepted share, and the time left."""
        last = list(self._tallies.values())[-1]
        words = [f"{last.rows_done / self._elapsed:,.1f} rows/s"]
        if last.rows_done:
            words.append(f"{last.rows_out / last.rows_done:.0%} of {last.rows_done:,} kept")
        left = self._seconds_left(last)
        if left is not None:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

    def _seconds_left(self, last: Tally) -> float | None:
        """By the rows that are still to come; with a target by the accepted ones, whichever ends first."""
        ends = []
        if self._total and last.rows_done:
            ends.append((self._total - last.rows_done) / last.rows_done)
        if self._target and last.rows_out:
            ends.append((self._target - last.rows_out) / last.rows_out)
        return max(0.0, min(ends)) * self._elapsed if ends else None

    @property
    def _elapsed(self) -> float:
        return max(time.monotonic() - self._begun, 1e-3)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
