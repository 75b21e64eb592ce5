"""The books of one stage: how many rows came in, where each of them went, and what it cost.

Rows are counted in input rows, and none may go missing: `in = out + dropped + failed`. Runners count calls and tokens
as they happen (progress is read from here); rows are counted when they are written.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

BEYOND_TARGET = "beyond target"


@dataclass
class Tally:
    """Counts of one stage. `rows_out` counts input rows that gave output; `rows_written` the output rows themselves."""

    name: str
    rows_in: int = 0
    rows_out: int = 0
    rows_written: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    reused: int = 0
    asked_again: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def rows_done(self) -> int:
        """Input rows whose fate is known."""
        return self.rows_out + self.dropped.total() + self.failed.total()

    @property
    def balanced(self) -> bool:
        return self.rows_in == self.rows_done

    def count_tokens(self, prompt: int | None, completion: int | None) -> None:
        """Tokens of a call that was made now; a reused reply costs nothing."""
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0

    def summary(self) -> dict[str, Any]:
        """What goes into `summary.json`. `cost` is None: no price is known."""
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
            "seconds": round(self.seconds, 3),
            "cost": None,
        }
