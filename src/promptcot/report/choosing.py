"""Which problems a report shows in full: some that show the range, from easy to hard, disputed, and each kind of loss.

Decides by what rows say, and between equals by a key of their ids, so that the choice is the same whatever the order of
the rows. Keeps ids, not texts: memory does not grow with the run.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from promptcot.core.criteria import RATINGS
from promptcot.core.measures.facts import Facts
from promptcot.records import Row
from promptcot.storage.rows import hash_id

PROBLEMS = 24
_KEPT = 12
_REASONS = 40
"""Kinds of losses that are looked at; reasons may come from steps of the user's own, and be many."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The id of a problem to show, and why."""

    id: str
    why: str


class Best:
    """The ids of the rows with the highest scores."""

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._heap: list[tuple[float, int, str]] = []

    def add(self, name: str, score: float = 0.0) -> None:
        entry = (score, hash_id(name), name)
        (heapq.heappush if len(self._heap) < self._most else heapq.heappushpop)(self._heap, entry)

    def __iter__(self) -> Iterator[str]:
        return (name for _, _, name in sorted(self._heap, reverse=True))


class Choosing:
    """Sees all rows of the set and all that were left out, and chooses."""

    def __init__(self) -> None:
        self.easy, self.hard, self.middle, self.any = Best(), Best(), Best(), Best(2 * PROBLEMS)
        self.torn, self.doubtful = Best(), Best()
        self.differing = Best()
        self._lost: dict[tuple[str, str, str], Best] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def accepted(self, name: str, facts: Facts) -> None:
        """A row of the set."""
        self.any.add(name)
        if facts.rate is not None:
            (self.easy if facts.rate == 1 else self.middle).add(name, -abs(facts.rate - 0.5))
            if facts.rate < 1:
                self.hard.add(name, -facts.rate)
        if facts.agreement is not None and facts.agreement < 1:
            self.torn.add(name, -facts.agreement)
        if facts.verdict not in (None, "valid"):
            self.doubtful.add(name)

    def judged(self, name: str, verdicts: Mapping[str, str]) -> None:
        """What the judges say of a row: they differ the more, the further apart their verdicts are."""
        places = [RATINGS.index(word) for word in verdicts.values() if word in RATINGS]
        if places and (gap := max(places) - min(places)):
            self.differing.add(name, gap)

    def left_out(self, step: str, outcome: str, row: Row) -> None:
        """A row that was dropped in a step, or failed."""
        reason = str(row.get("reason" if outcome == "dropped" else "cause"))[:200]
        key = (step, outcome, reason)
        self._counts[key] += 1
        if key not in self._lost and len(self._lost) >= _REASONS:
            return
        self._lost.setdefault(key, Best(3)).add(str(row.get("id")), _told(row))

    def chosen(self) -> list[Choice]:
        """At most `PROBLEMS`, none twice: first those of the set from hard to easy, then disputed ones, then losses."""
        taken: dict[str, str] = {}
        losses = sorted(self._lost, key=lambda key: -self._counts[key])
        room = max(PROBLEMS // 3, PROBLEMS - 14)
        wanted = [
            (self.hard, 4, "Among the hardest: its traces reach the answer least often."),
            (self.middle, 2, "In between: about half of the traces reach the answer."),
            (self.easy, 3, "Easy: all traces reach the same answer."),
            (self.torn, 2, "Disputed: the traces give different answers."),
            (self.doubtful, 1, "Disputed: not all votes call it valid."),
            (self.differing, 2, "Disputed: the judges differ."),
        ]
        for best, most, why in wanted:
            _take(best, most, why, taken)
        for key in losses[:room]:
            step, outcome, reason = key
            what = "Dropped" if outcome == "dropped" else "Failed"
            count = self._counts[key]
            of = f", one of {count:,}" if count > 1 else ""
            _take(self._lost[key], 1, f"{what} by {step}: {reason}{of}.", taken)
        _take(self.any, PROBLEMS - len(taken), "Drawn from the set at random.", taken)
        for key in losses:
            _take(self._lost[key], 1, f"{key[1].capitalize()} by {key[0]}: {key[2]}.", taken)
        return [Choice(name, why) for name, why in taken.items()][:PROBLEMS]


def _take(best: Best, most: int, why: str, taken: dict[str, str]) -> None:
    for name in best:
        if most <= 0 or len(taken) >= PROBLEMS:
            return
        if name not in taken:
            taken[name] = why
            most -= 1


def _told(row: Row) -> float:
    """Rows with a problem to read come before those without."""
    return float(isinstance(row.get("problem"), str) or isinstance(row.get("completion"), str))
