"""Formats numbers and names for a report. What is not known is "not measured", and never 0."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any

from promptcot.core import fields, units
from promptcot.printable import quoted

UNKNOWN = "not measured"
_MOST_REASONS, _LONGEST_REASON, _LONGEST_NAME = 5, 120, 60

_STEPS = {
    "sample": "sampled combinations",
    "generate": "readable problems",
    "filter": "accepted by the judges",
    "verify": "voted valid",
    "dedup": "not copies",
    "decontaminate": "not in a benchmark",
    "solve": "solved",
    "label": "with an agreed answer",
    "select": "selected",
    "review": "not rejected by reviewers",
}
_BANDS = {
    "1": "all agree",
    ">=0.75": "75% or more",
    ">=0.5": "50% or more",
    "<0.5": "below 50%",
    "none": "no answer",
}


def step_name(name: str) -> str:
    """A step in the funnel, in words; steps of the user's own keep their name."""
    verb, dash, rest = name.partition("-")
    if dash and verb == "judge":
        return f"judged by {quoted(rest, _LONGEST_NAME)}"
    if dash and verb == "verify":
        return f"voted on by {quoted(rest, _LONGEST_NAME)}"
    return _STEPS.get(name, name)


def band_name(band: str) -> str:
    """The heading of a column of agreement."""
    return _BANDS.get(band, band)


def percent(share: float | None) -> str:
    """A share in percent, or that it was not measured."""
    return UNKNOWN if share is None else units.percent(share)


def bounds(interval: Any) -> str:
    """The interval of a share; nothing where there is none."""
    found = fields.interval(interval)
    if found is None:
        return ""
    low, high = map(percent, found)
    return f"{low.removesuffix('%')}–{high}"


def between(interval: Any) -> str:
    """The same in brackets, behind a value."""
    found = bounds(interval)
    return f" ({found})" if found else ""


def money(cost: float | None) -> str:
    """A cost in the unit of the prices that the recipe gives."""
    if cost is None:
        return "no price"
    return f"{cost:,.2f}" if cost >= 1 or cost == 0 else _small(cost)


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def number(value: Any) -> str:
    """A number that may be large or small."""
    found = fields.number(value)
    if found is None:
        return UNKNOWN
    return f"{found:,.0f}" if abs(found) >= 100 else _small(found) if 0 < abs(found) < 0.01 else f"{found:,.3g}"


def _small(value: float) -> str:
    """Two digits, without an exponent."""
    return f"{value:.{max(2, 1 - floor(log10(abs(value))))}f}" if abs(value) >= 1e-9 else f"{value:.2g}"


def reasons(lost: Mapping[str, int]) -> str:
    """Rows that were left out, by reason, the most frequent first."""
    most = sorted(lost.items(), key=lambda one: -one[1])
    named = ", ".join(f"{count:,} {quoted(reason, _LONGEST_REASON)}" for reason, count in most[:_MOST_REASONS])
    others = most[_MOST_REASONS:]
    return f"{named}, {sum(count for _, count in others):,} for {len(others):,} other reasons" if others else named


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
