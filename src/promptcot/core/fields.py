"""Reads fields of rows and summaries that an earlier version or a step of the user's own wrote, or that are damaged.

A value of another type than expected counts as missing: None, or an empty mapping. Nothing here raises an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any


def text(value: Any) -> str | None:
    """A string, or a number as it is written."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """A finite number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value) if isfinite(value) else None
    except OverflowError:  # an integer beyond a double
        return None


def whole(value: Any) -> int | None:
    """An integer of at most 64 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def interval(value: Any) -> tuple[float, float] | None:
    """The two ends of an interval."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = map(number, value)
    return None if low is None or high is None else (low, high)


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object."""
    return value if isinstance(value, Mapping) else {}


def texts(value: Any) -> dict[str, str]:
    """The entries of a JSON object that are strings or numbers."""
    return {str(key): found for key, one in mapping(value).items() if (found := text(one)) is not None}


def counts(value: Any) -> dict[str, int]:
    """The entries of a JSON object that are integers of at least 0."""
    return {str(key): n for key, one in mapping(value).items() if (n := whole(one)) is not None and n >= 0}
