"""The agreement of judges: the share of rows on which two judges give the same verdict, and Cohen's kappa.

Only counts are stored, so any number of rows can be added. Rows on which the verdict of either judge is invalid or
missing are counted separately and enter neither the share nor kappa.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from promptcot.core.criteria import RATINGS
from promptcot.core.statistics.wilson import wilson_interval


@dataclass(slots=True)
class Agreement:
    """Two judges' verdicts on the same rows, as a table of counts. All statistics are None before the first row."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: int = 0

    def add(self, one: str | None, other: str | None) -> None:
        """Count one row; it enters no statistic if a verdict is invalid or missing."""
        if one is not None and other is not None and one in RATINGS and other in RATINGS:
            self.counts[one, other] += 1
        else:
            self.left_out += 1

    @property
    def n(self) -> int:
        return self.counts.total()

    @property
    def agreed(self) -> int:
        return sum(self.counts[rating, rating] for rating in RATINGS)

    @property
    def share(self) -> float | None:
        return self.agreed / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the share."""
        return wilson_interval(self.agreed, self.n)

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance: (p_o - p_e) / (1 - p_e), from -1 to 1.

        None if undefined: without rows, and if both judges always give the same single verdict, so that chance
        agreement is 1. J. Cohen, A coefficient of agreement for nominal scales, Educational and
        Psychological Measurement 20 (1960) 37-46. Computed in whole numbers, so that the undefined case is exact.
        """
        by_chance = sum(self._given(rating, 0) * self._given(rating, 1) for rating in RATINGS)
        beyond = self.n * self.n - by_chance
        return (self.n * self.agreed - by_chance) / beyond if beyond else None

    def _given(self, rating: str, judge: int) -> int:
        return sum(count for verdicts, count in self.counts.items() if verdicts[judge] == rating)


class Agreements:
    """The agreement of each pair of judges, in the order in which the judges were named."""

    def __init__(self, judges: tuple[str, ...]) -> None:
        self._pairs = {pair: Agreement() for pair in combinations(judges, 2)}

    def add(self, verdicts: Mapping[str, str]) -> None:
        """Count one row: its verdicts by judge. Pairs with a judge that has no verdict on the row do not count it."""
        for (one, other), agreement in self._pairs.items():
            agreement.add(verdicts.get(one), verdicts.get(other))

    def __iter__(self) -> Iterator[tuple[tuple[str, str], Agreement]]:
        return iter(self._pairs.items())

    def summary(self) -> list[dict[str, Any]]:
        """One plain table per pair, for a report or a JSON file."""
        names = ("n", "left_out", "share", "interval", "kappa")
        return [{"judges": list(pair), **{name: getattr(found, name) for name in names}} for pair, found in self]
