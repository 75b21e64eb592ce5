"""How far a pass is: counters of all workers in one place, what they say when they stop, and what limits the rate.

The board is an actor that takes no CPU. Workers write their running totals to it; the driver reads them for progress.
Exact counts are taken from the finished parts, not from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptcot.errors import PromptCoTError
from promptcot.storage.counts import StageCounts

COUNTS = ("rows_in", "rows_out", "calls", "reused", "prompt_tokens", "completion_tokens")
"""The counts of a tally that workers tell."""
SUMS = ("dropped", "failed", "asked_again")
"""The counters of a tally of which they tell the sum."""

Totals = Mapping[str, Mapping[str, int]]
"""What each worker told: COUNTS, SUMS, and how many `blocks` are under way and how many it `finished`."""

_BUSY = 0.5
"""The share of its blocks that a worker has under way when input is not what it waits for."""


class Board:
    """The totals of each worker, by its name, and the first error that stops everything."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, int]] = {}
        self._error: PromptCoTError | None = None

    def tell(self, name: str, totals: dict[str, int]) -> None:
        """A worker's totals so far."""
        self._told[name] = totals

    def stop(self, error: PromptCoTError) -> None:
        """A worker met what is not one row's fault."""
        self._error = self._error or error

    def read(self) -> tuple[dict[str, dict[str, int]], PromptCoTError | None]:
        """Everything."""
        return self._told, self._error


def show(told: Totals, tally: StageCounts) -> None:
    """Let a tally say what the workers say."""
    for name in COUNTS:
        setattr(tally, name, _total(told, name))
    for name in SUMS:
        if count := _total(told, name):
            getattr(tally, name)[name] = count


def _total(told: Totals, name: str) -> int:
    return sum(worker.get(name, 0) for worker in told.values())


def limit(told: Totals, least: int, in_flight: int, written: int, held: str = "") -> str:
    """What limits the rate, in a line.

    `least` workers are asked for, each has at most `in_flight` blocks under way, and `written` blocks are on disk.
    `held` says what workers that have not started wait for.
    """
    started = len(told)
    if started < least:
        return f"limit: workers still starting, {started} of {least} are ready{f'; {held}' if held else ''}"
    finished, under_way = _total(told, "finished"), _total(told, "blocks")
    if finished - written > started * in_flight:
        return f"limit: output, {finished - written:,} finished blocks wait to be written"
    if under_way < _BUSY * in_flight * started:
        return f"limit: input, {under_way:,} blocks under way where {in_flight * started:,} could be"
    return f"limit: engine, {started:,} workers have {under_way:,} blocks under way"
