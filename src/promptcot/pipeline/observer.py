"""The interface through which `execute` reports progress. The command line prints; the API calls a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from promptcot.core.statistics.forecast import Standing
from promptcot.storage.counts import StageCounts


class Observer(Protocol):
    """Receives progress while work is done. The command line prints; the API calls a function."""

    def note(self, text: str) -> None:
        """A message for the user."""
        ...

    def watch(
        self,
        counts: Mapping[str, StageCounts],
        *,
        total: int | None,
        target: int | None = None,
        note: Callable[[], str] = str,
        standing: Callable[[], Standing] | None = None,
    ) -> AbstractContextManager[object]:
        """Show progress while the context is open: `counts` may be read at any time. `total` rows will come in;
        `standing` returns the overall progress, if its end can be forecast.
        """
        ...


class Silent:
    """An observer that reports nothing."""

    def note(self, text: str) -> None:
        """Nothing is printed."""

    def watch(
        self,
        counts: Mapping[str, StageCounts],
        *,
        total: int | None,
        target: int | None = None,
        note: Callable[[], str] = str,
        standing: Callable[[], Standing] | None = None,
    ) -> AbstractContextManager[object]:
        """Nothing is shown."""
        return nullcontext()
