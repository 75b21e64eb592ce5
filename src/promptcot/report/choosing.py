"""Chooses the problems that a report shows in full: hard, easy and disputed ones, and one for each kind of loss.

Ties are broken by a hash of the id, so the choice does not depend on the order of the rows. Only ids are kept, so
memory does not grow with the run.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from promptcot.core import fields
from promptcot.core.criteria import RATINGS
from promptcot.core.measures.facts import Facts
from promptcot.records import Row
from promptcot.storage.rows import hash_id

PROBLEMS = 24
_KEPT = 12
_REASONS = 40
"""The most kinds of losses that are considered; a custom step may write any number of reasons."""
_LOSSES = 10
"""Losses that are shown before problems of the set fill the rest."""
_LONGEST_REASON = 200


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
        return iter(dict.fromkeys(name for _, _, name in sorted(self._heap, reverse=True)))


class Choosing:
    """Chooses among all rows of the set, and all that were dropped or failed."""

    def __init__(self) -> None:
        self.easy, self.hard, self.middle, self.any = Best(), Best(), Best(), Best(2 * PROBLEMS)
        self.split, self.doubtful = Best(), Best()
        self.differing, self.rejected = Best(), Best()
        self._lost: dict[tuple[str, str, str], Best] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def accepted(self, name: str, facts: Facts) -> None:
        """A row of the set."""
        self.any.add(name)
        if facts.rate is not None:
            if facts.rate == 1:
                self.easy.add(name)
            else:
                self.hard.add(name, -facts.rate)
            if 0.3 <= facts.rate <= 0.7:
                self.middle.add(name, -abs(facts.rate - 0.5))
        if facts.agreement is not None and facts.agreement < 1:
            self.split.add(name, -facts.agreement)
        if facts.verdict not in (None, "valid"):
            self.doubtful.add(name)

    def judged(self, name: str, verdicts: Mapping[str, str]) -> None:
        """The judges' verdicts on a row; the further apart they are, the more the judges differ."""
        places = [RATINGS.index(word) for word in verdicts.values() if word in RATINGS]
        if places and (gap := max(places) - min(places)):
            self.differing.add(name, gap)

    def left_out(self, step: str, outcome: str, row: Row) -> None:
        """A row with an id that was dropped in a step, or failed there."""
        key = (step, outcome, reason_in(outcome, row))
        self._counts[key] += 1
        if key not in self._lost and len(self._lost) >= _REASONS:
            return
        self._lost.setdefault(key, Best(3)).add(str(row["id"]), _has_text(row))

    def chosen(self) -> list[Choice]:
        """At most `PROBLEMS`, none twice: first those of the set from hard to easy, then disputed ones, then losses."""
        taken: dict[str, str] = {}
        losses = sorted(self._lost, key=lambda key: -self._counts[key])
        wanted = [
            (self.hard, 4, "Among the hardest: its traces reach the answer least often."),
            (self.middle, 2, "In between: about half of the traces reach the answer."),
            (self.easy, 3, "Easy: all traces reach the answer."),
            (self.split, 2, "Disputed: the traces give different answers."),
            (self.doubtful, 1, "Disputed: the votes do not call it valid."),
            (self.differing, 2, "Disputed: the judges give different verdicts."),
            (self.rejected, 1, "Rejected by a reviewer."),
        ]
        for best, most, why in wanted:
            _take(best, most, why, taken)
        for key in losses[:_LOSSES]:
            _take(self._lost[key], 1, self._loss(key), taken)
        _take(self.any, PROBLEMS - len(taken), "Drawn at random from the problems that were not dropped.", taken)
        for key in losses:
            _take(self._lost[key], 1, self._loss(key), taken)
        return [Choice(name, why) for name, why in taken.items()][:PROBLEMS]

    def _loss(self, key: tuple[str, str, str]) -> str:
        step, outcome, reason = key
        count = self._counts[key]
        of = f" (one of {count:,})" if count > 1 else ""
        return f"{'Dropped by' if outcome == 'dropped' else 'Failed in'} {step}: {reason}{of}"


def reason_in(outcome: str, row: Row) -> str:
    """Why a row was dropped or failed."""
    found = fields.text(row.get("reason" if outcome == "dropped" else "cause"))
    return (found or "no reason given")[:_LONGEST_REASON]


def _take(best: Best, most: int, why: str, taken: dict[str, str]) -> None:
    for name in best:
        if most <= 0 or len(taken) >= PROBLEMS:
            return
        if name not in taken:
            taken[name] = why
            most -= 1


def _has_text(row: Row) -> float:
    """Rows with a text to read come before those without."""
    return float(isinstance(row.get("problem"), str) or isinstance(row.get("completion"), str))
