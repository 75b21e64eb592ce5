"""What the traces of one problem say its answer is: the label, how well they agree on it, and what to learn from them.

Pure arithmetic on counts. Which answers are one class is decided by the caller; here the largest class becomes the
label. A tie is no majority, so it is not broken: such a problem has no label, and neither has one without any answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptcot.records import LENGTH, Row, finish_of, is_finished

Unlabelled = Literal["no answer", "tie"]

TRACE_FIELDS = frozenset(
    {"sample", "completion", "finish_reason", "truncated", "prompt_tokens", "completion_tokens", "malformed"}
)
"""What `solve` adds to the row of a problem."""


_ADDED = ("agreement", "margin", "n", "answered", "pass_rate", "mean_tokens")


@dataclass(frozen=True, slots=True)
class Wording:
    """An answer as it was written, the number of its class, and how many traces give it."""

    text: str
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Label:
    """What `n` traces of a problem say; `answered` of them have an answer.

    `text` is the label, or None for the `reason`; `number` is its class. `agreement` is the share of the largest class
    among the answers, `margin` its lead over the second largest, also among the answers, and `pass_rate` the share of
    all traces that give the label. What cannot be known is None, never 0.
    """

    text: str | None
    reason: Unlabelled | None
    number: int | None
    n: int
    answered: int
    agreement: float | None
    margin: float | None
    pass_rate: float | None
    mean_tokens: float | None

    def fields(self) -> Row:
        """What is added to the row of the problem."""
        return {"label": self.text, **{name: getattr(self, name) for name in _ADDED}}


@dataclass(frozen=True, slots=True)
class Band:
    """Which labelled problems are kept; all bounds are inclusive shares."""

    min_agreement: float = 0.0
    min_pass_rate: float = 0.0
    max_pass_rate: float = 1.0

    def refuses(self, label: Label) -> str | None:
        """Why a problem is left out, or None if it is kept."""
        if label.agreement is None or label.pass_rate is None:
            return f"unlabelled: {label.reason}"
        if label.agreement < self.min_agreement:
            return "agreement too low"
        if label.pass_rate < self.min_pass_rate:
            return "pass rate too low"
        return "pass rate too high" if label.pass_rate > self.max_pass_rate else None


def decide(n: int, wordings: Sequence[Wording], mean_tokens: float | None = None) -> Label:
    """The label of a problem with `n` traces and these answers, in the order in which they first came.

    The label is written as most traces of its class write it, of equally frequent wordings the first.
    """
    sizes: dict[int, int] = {}
    for wording in wordings:
        sizes[wording.number] = sizes.get(wording.number, 0) + wording.count
    answered = sum(sizes.values())
    ranked = sorted(sizes, key=lambda number: -sizes[number])
    if not answered:
        return Label(None, "no answer", None, n, 0, None, None, None, mean_tokens)
    first = sizes[ranked[0]]
    second = sizes[ranked[1]] if len(ranked) > 1 else 0
    agreement = first / answered
    if first == second:
        return Label(None, "tie", None, n, answered, agreement, 0.0, None, mean_tokens)
    text = max((wording for wording in wordings if wording.number == ranked[0]), key=lambda wording: wording.count).text
    margin = (first - second) / answered
    return Label(text, None, ranked[0], n, answered, agreement, margin, first / n, mean_tokens)


def unfit(row: Row) -> str | None:
    """Why a trace is not to be learned from, whatever it answers: it was cut off, or its form is broken.

    The finish reason may be a server's own word, as other programs write it; a trace without one counts as finished.
    """
    reason = row.get("finish_reason")
    if row.get("truncated") or finish_of(reason) == LENGTH:
        return "truncated"
    if not is_finished(reason):
        return "unfinished"
    return "malformed" if row.get("malformed") else None


def problem_row(row: Row) -> Row:
    """The row of the problem that a trace belongs to."""
    return {key: value for key, value in row.items() if key not in TRACE_FIELDS}
