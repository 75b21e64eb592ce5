"""Reads the measured facts from a row of a set.

Rows come from `set.jsonl`, from any step of a run, or from public data sets; missing or unreadable values are None or
empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from promptcot.core.problems import gold_if_any, problem_of
from promptcot.core.selection.profiles import models_of
from promptcot.core.validity import VALIDITIES
from promptcot.errors import UnfitRow
from promptcot.records import Row

_LONGEST = 20_000
"""The number of characters of a problem that are compared."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a row. `rate` is the pass rate over all traces, `rates` those by model; `labelled`: it has an answer."""

    text: str
    level: str | None
    concepts: tuple[str, ...]
    rate: float | None
    rates: Mapping[str, float]
    agreement: float | None
    verdict: str | None
    labelled: bool
    tokens: float | None


def facts_of(row: Row) -> Facts:
    """The facts of a row."""
    return Facts(
        text_of(row),
        level_of(row),
        concepts_of(row),
        _share(row.get("pass_rate")),
        _rates(row),
        _share(row.get("agreement")),
        _verdict(row.get("validity")),
        row.get("label") is not None or gold_if_any(row, "") is not None,
        _number(row.get("mean_tokens")),
    )


def text_of(row: Row) -> str:
    """The words of the problem, cut if it is very long; empty if the row has no problem."""
    try:
        return problem_of(row, "")[:_LONGEST]
    except UnfitRow:
        return ""


def level_of(row: Row) -> str | None:
    """The level of a row."""
    level = row.get("level")
    return str(level) if isinstance(level, (str, int, float)) and str(level).strip() else None


def concepts_of(row: Row) -> tuple[str, ...]:
    """The distinct concepts of a row."""
    concepts = row.get("foundational_concepts") or row.get("concepts")
    if not isinstance(concepts, list):
        return ()
    return tuple(dict.fromkeys(name for name in concepts if isinstance(name, str) and name.strip()))


def _rates(row: Row) -> dict[str, float]:
    try:
        return {name: rate for name, (rate, _) in models_of(row).items() if rate is not None}
    except UnfitRow:
        return {}


def _verdict(validity: Any) -> str | None:
    """The verdict of `verify`, from the field that the step writes or from the single word in a set."""
    verdict = validity.get("verdict") if isinstance(validity, Mapping) else validity
    return verdict if isinstance(verdict, str) and verdict in VALIDITIES else None


def _share(value: Any) -> float | None:
    share = _number(value)
    return share if share is not None and 0 <= share <= 1 else None


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and isfinite(value) else None
