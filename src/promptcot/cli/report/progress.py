"""How long work shows itself: a live table on a terminal; elsewhere plain lines, when something has changed.

Everything is read from the counts of the stages; nothing is reported by the runners. Works in a thread of its own, so
that a busy event loop does not silence it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from promptcot.core.units import duration
from promptcot.storage.counts import StageCounts

_PLAIN_EVERY = 10.0
_SILENT_AT_MOST = 180.0
_LOOK_EVERY = 0.25
_ENOUGH_ROWS = 20


class Progress:
    """Shows stage_counts until it is left. `total` is the number of rows that come in, where it is known.

    With `accepted` the share of rows that the last stage keeps, and the rows still to be accepted up to `target`, are
    shown as well. `note` gives one more line, or nothing.
    """

    def __init__(
        self,
        stage_counts: Mapping[str, StageCounts],
        *,
        total: int | None,
        target: int | None = None,
        console: Console | None = None,
        note: Callable[[], str] = str,
    ) -> None:
        self._stage_counts = stage_counts
        self._note = note
        self._total = total
        self._target = target
        self._console = console or Console(stderr=True)
        self._done = threading.Event()
        self._begun = time.monotonic()
        self._estimated = False
        self._thread = threading.Thread(target=self._live if self._console.is_terminal else self._plain, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _live(self) -> None:
        with Live(self._table(), console=self._console, transient=True, auto_refresh=False) as live:
            while not self._done.wait(_LOOK_EVERY):
                self._estimate_once()
                live.update(self._table(), refresh=True)

    def _plain(self) -> None:
        """Every few seconds what has changed; after some minutes without a change, that work still goes on."""
        told, known = time.monotonic(), dict[str, object]()
        while not self._done.wait(_LOOK_EVERY):
            self._estimate_once()
            silent = time.monotonic() - told
            if silent < _PLAIN_EVERY:
                continue
            state = {**{name: _state(counts) for name, counts in self._stage_counts.items()}, "": self._note()}
            if state == known and silent < _SILENT_AT_MOST:
                continue
            lines = self._unchanged(silent) if state == known else self._changed(state, known)
            told, known = time.monotonic(), state
            for line in lines:
                self._console.print(line, soft_wrap=True, highlight=False)

    def _changed(self, state: Mapping[str, object], known: Mapping[str, object]) -> Iterator[str]:
        begun = {name: counts for name, counts in self._stage_counts.items() if counts.rows_in}
        for name, counts in begun.items():
            if state[name] != known.get(name):
                yield f"{name}: {', '.join(self._facts(counts))}"
        yield self._outlook() if begun else "waiting for the first row"
        if state[""]:
            yield str(state[""])

    def _unchanged(self, seconds: float) -> Iterator[str]:
        under_way = {name: counts.rows_in - counts.rows_done for name, counts in self._stage_counts.items()}
        waiting = [f"{rows:,} in {name}" for name, rows in under_way.items() if rows > 0]
        yield f"nothing new for {duration(seconds)}; rows under way: {', '.join(waiting) or 'none yet'}"

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, counts in self._stage_counts.items():
            table.add_row(name, *self._facts(counts))
        for line in filter(None, (self._outlook(), self._note())):
            table.add_row("", line)
        return table

    def _facts(self, counts: StageCounts) -> list[str]:
        facts = [f"{counts.rows_done:,}/{max(counts.rows_in, counts.rows_done):,} rows", f"{counts.rows_out:,} kept"]
        if counts.failed:
            facts.append(f"{counts.failed.total():,} failed")
        if counts.reused:
            facts.append(f"{counts.reused:,} calls reused")
        if again := counts.asked_again.total():
            facts.append(f"{again:,} asked again")
        if counts.completion_tokens:
            facts.append(f"{counts.completion_tokens / self._elapsed:,.0f} tokens/s")
        if counts.cost is not None:
            facts.append(f"cost {counts.cost:,.4f}")
        return facts

    def _estimate_once(self) -> None:
        """Once enough rows are through, say what the whole will cost and how long it will take."""
        last = list(self._stage_counts.values())[-1]
        share = self._share_done(last)
        if self._estimated or last.rows_done < _ENOUGH_ROWS or not share:
            return
        self._estimated = True
        spent = [counts.cost for counts in self._stage_counts.values() if counts.cost is not None]
        left = self._seconds_left(last)
        words = f"estimate after {last.rows_done:,} rows: {duration(left or 0)} left"
        if spent:
            whole = max(sum(spent), last.rows_done / share * sum(map(_cost_of_a_call, self._stage_counts.values())))
            words += f", cost {whole:,.2f} (so far {sum(spent):,.4f})"
        self._console.print(words, soft_wrap=True, highlight=False)

    def _outlook(self) -> str:
        """Rate of the last stage, its accepted share, and the time left."""
        last = list(self._stage_counts.values())[-1]
        words = [f"{last.rows_done / self._elapsed:,.1f} rows/s"]
        if last.rows_done:
            words.append(f"{last.rows_out / last.rows_done:.0%} of {last.rows_done:,} kept")
        left = self._seconds_left(last)
        if left is not None:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

    def _seconds_left(self, last: StageCounts) -> float | None:
        """By the rate of what was asked now: rows that the journal answered came for nothing."""
        share = self._share_done(last)
        calls = sum(counts.calls for counts in self._stage_counts.values())
        reused = sum(counts.reused for counts in self._stage_counts.values())
        fresh = calls / (calls + reused) if calls + reused else 1.0
        return self._elapsed * max(0.0, 1 / share - 1) / fresh if share and fresh else None

    def _share_done(self, last: StageCounts) -> float | None:
        """By the rows that come in; with a target by the accepted ones, whichever is further on."""
        shares = []
        if self._total:
            shares.append(last.rows_done / self._total)
        if self._target:
            shares.append(last.rows_out / self._target)
        return max(shares, default=None)

    @property
    def _elapsed(self) -> float:
        return max(time.monotonic() - self._begun, 1e-3)


def _state(counts: StageCounts) -> object:
    """What has to change for a stage to be told of again; rates change without news."""
    rows = (counts.rows_in, counts.rows_done, counts.rows_out, counts.failed.total())
    return (*rows, counts.calls, counts.reused, counts.asked_again.total())


def _cost_of_a_call(counts: StageCounts) -> float:
    """What a call cost on average. Not what a row cost: calls run ahead of the rows, and earlier runs paid some."""
    priced = sum(paid.calls - paid.unpriced for paid in counts.paid.values())
    return (counts.cost or 0.0) / priced if priced else 0.0
