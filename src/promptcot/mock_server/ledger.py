"""Counts what a mock server did, and remembers which calls had faults. Independent of HTTP."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Ledger:
    """Counts over one server's life. A call is kept as eight bytes of its key once it had a fault, or was answered."""

    def __init__(self, remember: bool = True) -> None:
        self._remember = remember
        self._met: dict[int, int] = {}
        self._answered: set[int] = set()
        self.requests = 0
        self.answered = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.others: Counter[str] = Counter()
        """Counts of other events: a fault, a client error, a client that disconnected."""

    def arrive(self) -> None:
        """Count a call that arrives."""
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self) -> None:
        """Count a call that ends, with any outcome."""
        self.in_flight -= 1

    def met(self, key: bytes) -> int:
        """The number of faults of a call so far."""
        return self._met.get(_short(key), 0) if self._met else 0

    def meet(self, key: bytes, fault: str) -> None:
        """Count a fault of a call."""
        self._met[_short(key)] = self.met(key) + 1
        self.others[fault] += 1

    def answer(self, key: bytes) -> None:
        """Count a call that was answered to the last byte."""
        self.answered += 1
        if self._remember:
            self._answered.add(_short(key))

    def stats(self) -> dict[str, Any]:
        """The counts, for JSON. `answered_again` are complete answers to calls that had one; None without memory."""
        distinct = len(self._answered) if self._remember else None
        return {
            "requests": self.requests,
            "answered": self.answered,
            "distinct_answered": distinct,
            "answered_again": None if distinct is None else self.answered - distinct,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "others": dict(sorted(self.others.items())),
        }


def _short(key: bytes) -> int:
    return int.from_bytes(key[:8], "big")
