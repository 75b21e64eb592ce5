"""Numbers and names as a report writes them. What is not known is "not measured", and never 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN = "not measured"

_STEPS = {
    "sample": "sampled combinations",
    "generate": "problems written and read",
    "filter": "accepted by the judges",
    "verify": "called valid",
    "dedup": "no copies",
    "decontaminate": "in no benchmark",
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
    """What came through a step, in words; steps of the user's own keep their name."""
    verb, dash, rest = name.partition("-")
    if dash and verb == "judge":
        return f"judged by {rest}"
    if dash and verb == "verify":
        return f"voted on by {rest}"
    return _STEPS.get(name, name)


def band_name(band: str) -> str:
    """The heading of a column of agreement."""
    return _BANDS.get(band, band)


def percent(share: float | None) -> str:
    """A share in percent; one that is neither 0 nor 1 is never shown as if it were."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def bounds(interval: Any) -> str:
    """The interval of a share; nothing where there is none."""
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return ""
    low, high = map(percent, interval)
    return f"{low.removesuffix('%')}–{high}"


def between(interval: Any) -> str:
    """The same in brackets, behind a value."""
    found = bounds(interval)
    return f" ({found})" if found else ""


def money(cost: float | None) -> str:
    """A cost in the unit of the prices that the recipe gives."""
    if cost is None:
        return "no price"
    return f"{cost:,.2f}" if cost >= 1 or cost == 0 else f"{cost:.2g}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def number(value: Any) -> str:
    """A number that may be large or small."""
    if not isinstance(value, int | float):
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def reasons(lost: Mapping[str, int]) -> str:
    """Rows that were left out, by reason, the most frequent first."""
    most = sorted(lost.items(), key=lambda one: -one[1])
    named = ", ".join(f"{count:,} {reason}" for reason, count in most[:5])
    return f"{named} and {len(most) - 5} more reasons" if len(most) > 5 else named


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
