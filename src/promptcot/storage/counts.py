"""The counts of one stage: input rows, their outcomes, and the cost.

The unit is the input row, and none may be lost: `in = out + dropped + failed`. Runners count calls and tokens as they
happen (the progress display reads them); rows are counted when they are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from promptcot.records import Unusable, Useless
from promptcot.storage.budget import Paid, Price

BEYOND_TARGET = "beyond target"


def damaged_lines(count: int) -> str:
    """The message about damaged lines of a journal."""
    lines, whose = ("line", "its call is") if count == 1 else ("lines", "their calls are")
    return f"{count:,} damaged {lines} of the journal skipped, {whose} made again where needed"


@dataclass
class StageCounts:
    """Counts of one stage. `rows_out` counts input rows that gave output; `rows_written` the output rows themselves.
    `rows_answered` are those whose replies have arrived, in any order; it serves the progress display.

    Calls and tokens are those of this process; `paid` has all calls in the journal, by model. `usable` counts input
    rows whose replies could be used, `useless` the others. These two are written to no file.
    """

    name: str
    rows_in: int = 0
    rows_out: int = 0
    rows_written: int = 0
    rows_answered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    reused: int = 0
    asked_again: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    """Calls that failed for good, by cause, for rows whose other calls succeeded."""
    end_tokens: int = 0
    """Replies whose text had end tokens, which were removed."""
    replaced: Counter[str] = field(default_factory=Counter)
    """Values that the output format cannot hold, by their replacement."""
    damaged: int = 0
    """Skipped lines of the journal; their calls are made again where needed."""
    seconds: float = 0.0
    price: Price | None = None
    paid: dict[str, Paid] = field(default_factory=dict)
    usable: int = field(default=0, compare=False, repr=False)
    useless: Useless = field(default_factory=Useless, compare=False, repr=False)

    @classmethod
    def of_summary(cls, name: str, summary: Mapping[str, Any]) -> Self:
        """The counts from the output of `summary`, as read from `summary.json`. Raises KeyError, TypeError."""
        paid = {model: Paid(**{**table, "cost": table["cost"] or 0.0}) for model, table in summary["models"].items()}
        asked = ("calls", "reused", "prompt_tokens", "completion_tokens", "seconds")
        return cls(
            name,
            summary["in"],
            summary["out"],
            summary["rows"],
            dropped=Counter(summary["dropped"]),
            failed=Counter(summary["failed"]),
            asked_again=Counter(summary["asked_again"]),
            unanswered=Counter(summary.get("unanswered", {})),
            end_tokens=summary.get("end_tokens", 0),
            replaced=Counter(summary.get("replaced", {})),
            damaged=summary.get("damaged", 0),
            paid=paid,
            **{key: summary[key] for key in asked},
        )

    @property
    def rows_done(self) -> int:
        """Input rows whose outcome is known."""
        return self.rows_out + self.dropped.total() + self.failed.total()

    @property
    def calls_a_row(self) -> float:
        """Calls per row so far, made or found in the journal."""
        return (self.calls + self.reused) / self.rows_answered if self.rows_answered else 1.0

    @property
    def cost_a_call(self) -> float | None:
        """The average cost of all calls ever made; None if no call had a price."""
        priced = sum(paid.calls - paid.unpriced for paid in self.paid.values())
        return (self.cost or 0.0) / priced if priced else None

    @property
    def calls_beyond(self) -> int:
        """Calls for rows beyond the target, made or found in the journal."""
        within = self.rows_done - self.dropped[BEYOND_TARGET]
        return max(0, self.calls + self.reused - round(within * self.calls_a_row))

    @property
    def balanced(self) -> bool:
        return self.rows_in == self.rows_done

    def count_use(self, unusable: Unusable | None) -> None:
        """Count an input row whose replies were read; `unusable` if none of them can be used."""
        if unusable is None:
            self.usable += 1
        else:
            self.useless.add(unusable)

    def count_tokens(self, prompt: int | None, completion: int | None) -> None:
        """Add the tokens of a new call; a reused reply costs nothing."""
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0

    def absorb(self, asked: StageCounts) -> None:
        """Count calls of an earlier pass of the same command as new, although this pass found them in the journal."""
        self.reused = max(0, self.reused - asked.calls)
        self.calls += asked.calls
        self.prompt_tokens += asked.prompt_tokens
        self.completion_tokens += asked.completion_tokens
        self.asked_again += asked.asked_again
        self.end_tokens = max(self.end_tokens, asked.end_tokens)  # the content of an old journal was counted both times
        self.seconds += asked.seconds

    def add_asked(self, other: StageCounts) -> None:
        """Add the calls made and reused elsewhere."""
        self.calls += other.calls
        self.reused += other.reused
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.asked_again += other.asked_again
        self.unanswered += other.unanswered
        self.end_tokens += other.end_tokens
        self.seconds += other.seconds

    def add(self, other: StageCounts) -> None:
        """Add the rows, calls and costs of another part of the same input."""
        self.add_asked(other)
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.rows_written += other.rows_written
        self.dropped += other.dropped
        self.failed += other.failed
        self.replaced += other.replaced
        for model, paid in other.paid.items():
            self.paid.setdefault(model, Paid()).include(paid)

    @property
    def cost(self) -> float | None:
        """The cost, including earlier runs; None if no call had a price."""
        priced = [paid.cost for paid in self.paid.values() if paid.unpriced < paid.calls]
        return round(sum(priced), 6) if priced else None

    def summary(self) -> dict[str, Any]:
        """The entry in `summary.json`. `models` and `cost` include earlier runs; without a price there is no cost."""
        return {
            "in": self.rows_in,
            "out": self.rows_out,
            "rows": self.rows_written,
            "dropped": dict(sorted(self.dropped.items())),
            "failed": dict(sorted(self.failed.items())),
            "calls": self.calls,
            "reused": self.reused,
            "asked_again": dict(sorted(self.asked_again.items())),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            **({"unanswered": dict(sorted(self.unanswered.items()))} if self.unanswered else {}),
            **({"end_tokens": self.end_tokens} if self.end_tokens else {}),
            **({"replaced": dict(sorted(self.replaced.items()))} if self.replaced else {}),
            **({"damaged": self.damaged} if self.damaged else {}),
            "seconds": round(self.seconds, 3),
            "cost": self.cost,
            "models": {model: paid.summary() for model, paid in sorted(self.paid.items())},
        }
