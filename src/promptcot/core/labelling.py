"""The label of a problem from the answers of its traces, with agreement, pass rate and refusals.

Pure arithmetic on counts. The caller sorts answers into classes and recognizes refusals; the largest class becomes the
label. A tie is not a majority and is not resolved: such a problem has no label, and neither has a problem without any
answer. A trace that refuses the problem gives no answer, whatever its box says, so that a label is never a refusal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from promptcot.records import LENGTH, Row, count_of, finish_of, is_finished

Unlabelled = Literal["no answer", "tie"]

TRACE_COUNT = "trace_count"
"""The field of a trace in a run: the number of traces of its problem."""

TRACE_FIELDS = frozenset(
    {"sample", "completion", "finish_reason", "truncated", "prompt_tokens", "completion_tokens", "malformed"}
    | {"model", TRACE_COUNT}
)
"""The fields that `solve` adds to the row of a problem."""

NO_ANSWER, REFUSED = -1, -2
"""The class numbers of a trace without an answer, and of a trace that calls the problem broken."""

REFUSED_BY_MOST = "refused by most traces"

_ADDED = ("agreement", "margin", "n", "answered", "pass_rate", "mean_tokens", "model")


@dataclass(frozen=True, slots=True)
class Wording:
    """An answer as written, its number or that of its class, and how many traces give it."""

    text: str
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Said:
    """The content of one trace: its answer and class, or its `refusal`, the reason why the problem is broken.

    `fit`: the trace is complete and well-formed. `model` wrote it.
    """

    text: str | None
    number: int
    refusal: str | None
    fit: bool
    tokens: int | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Label:
    """The result of `n` traces of a problem; `answered` of them have an answer.

    `text` is the label, or None for the `reason`; `number` is its class. `agreement` is the share of the largest class
    among the answers, `margin` its lead over the second largest, also among the answers, and `pass_rate` the share of
    all traces that give the label. `refusals` are the traces that say that the problem is broken, by reason. `model`
    wrote all traces that name one; where several did, `models` has the traces of each and how many give the label.
    Unknown values are None, never 0.
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
    refusals: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    models: Mapping[str, Row] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """The number of traces that refuse the problem."""
        return sum(self.refusals.values())

    def fields(self) -> Row:
        """The fields added to the row of the problem; `models` only if several models wrote the traces."""
        fields = {"label": self.text, **{name: getattr(self, name) for name in _ADDED}}
        several = {"models": dict(self.models)} if self.models else {}
        return {**fields, **several, "refused": self.refused, "refusals": dict(self.refusals)}


@dataclass(slots=True)
class Tally:
    """Counts the traces of one problem as they arrive."""

    n: int = 0
    wordings: dict[str, Wording] = field(default_factory=dict)
    tokens: int = 0
    counted: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    by_model: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, said: Said) -> None:
        """Count a trace."""
        self.n += 1
        if said.text is not None:
            known = self.wordings.get(said.text)
            self.wordings[said.text] = Wording(said.text, said.number, known.count + 1 if known else 1)
        if said.refusal is not None:
            self.refusals[said.refusal] += 1
        if said.tokens is not None:
            self.tokens += said.tokens
            self.counted += 1
        if said.model is not None:
            self.by_model.setdefault(said.model, Counter())[said.number] += 1

    def label(self, classes: Sequence[int]) -> Label:
        """The label of all traces; `classes` has the class of each wording, by its number."""
        wordings = [replace(one, number=classes[one.number]) for one in self.wordings.values()]
        label = decide(self.n, wordings, self.tokens / self.counted if self.counted else None)
        refusals = dict(sorted(self.refusals.items()))
        if len(self.by_model) < 2:
            return replace(label, refusals=refusals, model=next(iter(self.by_model), None))
        models = {model: _rate(numbers, classes, label.number) for model, numbers in self.by_model.items()}
        return replace(label, refusals=refusals, models=models)


def class_of(number: int, classes: Sequence[int]) -> int:
    """The class of a trace by the number of its wording; a trace without an answer keeps its number."""
    return classes[number] if number >= 0 else number


def _rate(numbers: Mapping[int, int], classes: Sequence[int], label: int | None) -> Row:
    """The share of one model's traces that give the label."""
    n = sum(numbers.values())
    right = sum(count for number, count in numbers.items() if class_of(number, classes) == label)
    return {"pass_rate": None if label is None else right / n, "n": n}


@dataclass(frozen=True, slots=True)
class Band:
    """Which labelled problems are kept; all bounds are inclusive shares.

    `min_share` is the least share of valid votes (`verify`), where each trace that refuses the problem counts as an
    invalid vote. A problem that more than half of its traces refuse is always dropped.
    """

    min_agreement: float = 0.0
    min_pass_rate: float = 0.0
    max_pass_rate: float = 1.0
    min_share: float | None = None

    def refuses(self, label: Label, validity: object = None) -> str | None:
        """Why a problem is dropped, or None if it is kept; `validity` is the result of `verify`, if there is one."""
        if 2 * label.refused > label.n:
            return REFUSED_BY_MOST
        if self._too_few_valid(label, validity):
            return "too few valid votes with those of traces"
        if label.agreement is None or label.pass_rate is None:
            return f"unlabelled: {label.reason}"
        if label.agreement < self.min_agreement:
            return "agreement too low"
        if label.pass_rate < self.min_pass_rate:
            return "pass rate too low"
        return "pass rate too high" if label.pass_rate > self.max_pass_rate else None

    def _too_few_valid(self, label: Label, validity: object) -> bool:
        """Whether refusals reduce the share of valid votes below the bound, which it reached in `verify`."""
        votes: Any = validity.get("votes") if isinstance(validity, dict) else None
        if self.min_share is None or not label.refused or not isinstance(votes, dict):
            return False
        valid, invalid = (count_of(votes.get(verdict)) or 0 for verdict in ("valid", "invalid"))
        return valid / (valid + invalid + label.refused) < self.min_share


def decide(n: int, wordings: Sequence[Wording], mean_tokens: float | None = None) -> Label:
    """The label of a problem with `n` traces and these answers, in the order in which they first came.

    The label has the most frequent wording of its class, and among equally frequent ones the first.
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
    """Why a trace is unfit for training, whatever its answer: it was cut off, or is malformed.

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
