"""The difficulty of a problem: its pass rate over n traces with an agreed answer; and merging several rows.

Reads rows from `label`, and rows of other programs with a pass rate and a gold. Rows with one id are profiles of one
problem: their traces add up. The caller decides whether two labels are the same answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptcot.core.problems import gold_if_any
from promptcot.errors import UnfitRow
from promptcot.records import Row, count_of

NO_PASS_RATE = "no pass rate"
NOT_AGREED = "answer not agreed"
NO_COUNT = "no n to add up"
TOO_FEW = "too few traces"
TOO_LOW = "pass rate too low"
TOO_HIGH = "pass rate too high"

Rate = tuple[float | None, int]
"""A pass rate, or None, and the number of traces, 0 if unknown."""

Same = Callable[[str, str], bool]
"""Decides whether two labels are the same answer."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The difficulty of a problem: its `pass_rate` over `n` traces. `agreement` is that of the `answered` traces.

    `known`: the answer is a gold, so no agreement is needed. `alone`: of several traces only one has an answer, so the
    agreement means nothing. `n` is 0 if the row does not have it.
    """

    pass_rate: float | None
    n: int
    label: str | None
    agreement: float | None
    answered: int
    known: bool
    alone: bool = False

    def refused(self, min_agreement: float | None) -> str | None:
        """Why a problem has no usable difficulty; None if it has one."""
        if self.label is None and self.agreement is None and self.pass_rate is None:
            return NO_PASS_RATE
        if not self.known and not self._is_agreed(min_agreement):
            return NOT_AGREED
        return NO_PASS_RATE if self.pass_rate is None else None

    def _is_agreed(self, least: float | None) -> bool:
        if self.label is None or self.agreement is None or self.alone:
            return False
        return self.agreement > 0.5 if least is None else self.agreement >= least


def profile_of(row: Row, model: str | None = None) -> Profile:
    """The profile of a row, from the traces of `model` or from all. Raises UnfitRow for impossible numbers."""
    rate, n = _rate(row) if model is None else models_of(row).get(model, (None, 0))
    label, agreement = row.get("label"), _share(row, "agreement")
    known = label is None and agreement is None and gold_if_any(row, "") is not None
    text = gold_if_any(row, "") if known else None if label is None else str(label)
    answered = count_of(row.get("answered")) or 0
    return Profile(rate, n, text, agreement, answered, known, answered == 1 and _n_of(row) > 1)


def models_of(row: Row) -> dict[str, Rate]:
    """Pass rate and n by model, as far as the row has them. Raises UnfitRow for impossible numbers."""
    several, name = row.get("models"), row.get("model")
    if isinstance(several, Mapping):
        if not all(isinstance(one, Mapping) for one in several.values()):
            raise UnfitRow("`models` must hold a pass rate and n by model")
        return {model: _rate(table) for model, table in several.items()}
    return {name: _rate(row)} if isinstance(name, str) and name else {}


def pooled(profiles: Sequence[Profile], same: Same) -> Profile | str:
    """Merges several profiles of one problem, or says why this is impossible.

    Passes and traces are added up, and the agreement is over all answered traces; all labels must be the same answer.
    """
    labels = sorted({one.label for one in profiles if one.label is not None})
    if any(one.label is None for one in profiles) or not all(same(labels[0], label) for label in labels[1:]):
        return NOT_AGREED
    rated = [(one.pass_rate, one.n) for one in profiles if one.pass_rate is not None]
    if not rated:
        return NO_PASS_RATE
    rate, total = _together(rated)
    if rate is None:
        return NO_COUNT
    voted = [one for one in profiles if not one.known]
    agreement = _mean([(one.agreement, one.answered or one.n) for one in voted])
    alone = len(profiles) == 1 and profiles[0].alone
    return Profile(rate, total, labels[0], agreement, sum(one.answered for one in voted), not voted, alone)


def merged(rows: Sequence[Row]) -> Row:
    """Merges several rows of a problem: the fields of all, and pass rates over all traces and by model.

    A value that is unknown for some of the traces is null. If a field differs, the first row decides: callers sort
    the rows to get a result that does not depend on their order.
    """
    fields: Row = {name: value for row in reversed(rows) for name, value in row.items()}
    profiles = [profile_of(row) for row in rows]
    rate, total = _together([(one.pass_rate, one.n) for one in profiles])
    found: Row = {
        "pass_rate": rate,
        "n": total if all(one.n for one in profiles) else None,
        "answered": sum(one.answered for one in profiles) if all("answered" in row for row in rows) else None,
        "agreement": _mean([(one.agreement, one.answered or one.n) for one in profiles if not one.known]),
        "margin": None,
        "mean_tokens": _mean([(row.get("mean_tokens"), one.n) for row, one in zip(rows, profiles, strict=True)]),
        "refused": sum(count_of(row.get("refused")) or 0 for row in rows),
        "refusals": _refusals(rows),
    }
    return {**fields, **{name: value for name, value in found.items() if name in fields}, **_models(rows)}


def _models(rows: Sequence[Row]) -> Row:
    """`model` if all traces are of one model, else `models`."""
    tables = [models_of(row) for row in rows]
    names = sorted({name for models in tables for name in models})
    if not names:
        return {}
    if len(names) == 1 and all(tables):
        return {"model": names[0]}
    by_name = {name: _together([models[name] for models in tables if name in models]) for name in names}
    return {"model": None, "models": {name: {"pass_rate": rate, "n": n or None} for name, (rate, n) in by_name.items()}}


def _together(rates: Sequence[Rate]) -> Rate:
    """The rate over all traces, and their number; the rate is None if one of the rates, or its n, is unknown."""
    total = sum(n for _, n in rates)
    if len(rates) == 1:
        return rates[0]
    passes = [_passes(rate, n) for rate, n in rates if rate is not None and n]
    return (math.fsum(passes) / total if len(passes) == len(rates) else None), total


def _rate(table: Mapping[str, Any]) -> Rate:
    return _share(table, "pass_rate"), _n_of(table)


def _share(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if type(value) in (int, float) and 0 <= value <= 1:
        return float(value)
    hint = "; divide percentages by 100" if type(value) in (int, float) and 1 < value <= 100 else ""
    raise UnfitRow(f"`{name}` is {str(value)[:40]!r}, which is not a share between 0 and 1{hint}")


def _n_of(row: Mapping[str, Any]) -> int:
    """The number of traces; 0 if the row does not have it."""
    value = row.get("n")
    if value is None:
        return 0
    n = count_of(int(value) if isinstance(value, float) and value.is_integer() else value)
    if not n or n >= 1 << 32:
        raise UnfitRow(f"`n` is {str(value)[:40]!r}, which is not a number of traces")
    return n


def _passes(rate: float, n: int) -> float:
    """The number of traces that passed; not an integer if the rate was rounded to few digits."""
    return round(rate * n) if abs(rate * n - round(rate * n)) < 1e-6 * max(1, n) else rate * n


def _mean(weighted: Sequence[tuple[Any, int]]) -> float | None:
    """The weighted mean of values; None if one is missing, and the plain mean if all weights are 0."""
    values = [value for value, _ in weighted]
    if not values or not all(type(value) in (int, float) for value in values):
        return None
    weights = [weight for _, weight in weighted]
    weights = weights if all(weights) else [1] * len(weights)
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _refusals(rows: Sequence[Row]) -> dict[str, int]:
    refusals: Counter[str] = Counter()
    for row in rows:
        given = row.get("refusals")
        if isinstance(given, dict):
            refusals.update({name: count_of(count) or 0 for name, count in given.items()})
    return dict(refusals)
