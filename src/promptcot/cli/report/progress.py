"""Progress of long work: a live table on a terminal; otherwise plain lines when something has changed.

All values are read from the counts of the stages; runners report nothing. It runs in its own thread, so that a busy
event loop does not delay it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from promptcot.core.statistics.forecast import Forecast, Standing, forecast
from promptcot.core.statistics.target import Interval
from promptcot.core.units import counted, duration
from promptcot.pipeline.standing import standing_of_job
from promptcot.printable import presentable
from promptcot.storage.counts import StageCounts

_PLAIN_EVERY = 10.0
_SILENT_AT_MOST = 180.0
_LOOK_EVERY = 0.25


class Progress:
    """Shows `stage_counts` until the context is left. `total` is the number of input rows, if known; `standing` returns
    the state of the whole run, by default that of its last stage. `note` returns one more line, or nothing.
    """

    def __init__(
        self,
        stage_counts: Mapping[str, StageCounts],
        *,
        total: int | None,
        console: Console | None = None,
        note: Callable[[], str] = str,
        standing: Callable[[], Standing] | None = None,
    ) -> None:
        self._standing = standing or (lambda: standing_of_job([*stage_counts.values()][-1], total))
        self._asking_since: float | None = None
        self._stage_counts = stage_counts
        self._note = note
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
        """Print changes every few seconds, and after minutes without a change a sign of life."""
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
                self._print(line)

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
        yield f"nothing new for {duration(seconds)}; rows in progress: {', '.join(waiting) or 'none yet'}"

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, counts in self._stage_counts.items():
            table.add_row(*map(_cell, (name, *self._facts(counts))))
        for line in filter(None, (self._outlook(), self._note())):
            table.add_row("", _cell(line))
        return table

    def _facts(self, counts: StageCounts) -> list[str]:
        facts = [
            f"{counts.rows_done:,}/{counted(max(counts.rows_in, counts.rows_done), 'row')}",
            f"{counts.rows_out:,} kept",
        ]
        if counts.failed:
            facts.append(f"{counts.failed.total():,} failed")
        if counts.reused:
            facts.append(f"{counted(counts.reused, 'call')} reused")
        if again := counts.asked_again.total():
            facts.append(f"{again:,} retried")
        if counts.completion_tokens:
            facts.append(f"{counts.completion_tokens / self._elapsed:,.0f} tokens/s")
        if counts.cost is not None:
            facts.append(f"cost {counts.cost:,.4f}")
        return facts

    def _estimate_once(self) -> None:
        """Once enough rows are decided, print a forecast of cost and time for the log."""
        found = None if self._estimated else self._forecast()
        if found is not None:
            self._estimated = True
            words = f"forecast after {counted(self._standing().decided, 'row')}: {', '.join(_words(found))}"
            self._print(words)

    def _print(self, line: str) -> None:
        self._console.print(presentable(line), soft_wrap=True, highlight=False, markup=False)

    def _outlook(self) -> str:
        """The state, the rate, the accepted share and the forecast in one line."""
        stands = self._standing()
        words = [f"{stands.decided / self._elapsed:,.1f} rows/s"]
        if stands.target:
            words.insert(0, f"accepted {stands.accepted:,}/{stands.target:,}")
        if stands.decided:
            words.append(f"{stands.accepted / stands.decided:.0%} of {stands.decided:,} kept")
        found = self._forecast()
        return ", ".join(words + (_words(found) if found else []))

    def _forecast(self) -> Forecast | None:
        """The forecast, from the rate of new calls: replies from the journal take no time."""
        asked, now = sum(counts.calls for counts in self._stage_counts.values()), time.monotonic()
        if asked and self._asking_since is None:
            self._asking_since = now - _LOOK_EVERY
        seconds = now - self._asking_since if self._asking_since is not None else 0.0
        return forecast(self._standing(), asked / seconds if seconds else None)

    @property
    def _elapsed(self) -> float:
        return max(time.monotonic() - self._begun, 1e-3)


def _cell(text: str) -> Text:
    """A cell of the table; a model may be called `[red]`."""
    return Text(presentable(text))


def _state(counts: StageCounts) -> object:
    """The counts whose change makes a stage worth a new line; rates are not among them."""
    rows = (counts.rows_in, counts.rows_done, counts.rows_out, counts.failed.total())
    return (*rows, counts.calls, counts.reused, counts.asked_again.total())


def _words(found: Forecast) -> list[str]:
    """The expected calls, cost and time, with 90 % intervals if there are any."""
    words = [f"in the end {_about(found.calls, lambda calls: f'{calls:,.0f}', ' calls')}"]
    if found.cost is not None:
        words.append(f"cost {_about(found.cost, lambda cost: f'{cost:,.2f}')}")
    if found.seconds is not None:
        words.append(_about(found.seconds, duration, " left"))
    return words


def _about(interval: Interval, shown: Callable[[float], str], unit: str = "") -> str:
    low, point, high = shown(interval.low), shown(interval.point), shown(interval.high)
    return f"about {point}{unit}" + ("" if low == high else f" ({low} to {high})")
