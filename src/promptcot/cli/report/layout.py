"""Helpers for printed reports: paragraphs with a hanging indent, and shares as percentages."""

from __future__ import annotations

import textwrap

from promptcot.cli.report.streams import STREAMS


def hanging(head: str, text: str) -> str:
    """`head` followed by a text, wrapped with a hanging indent. Long words, such as paths, are not broken."""
    under = " " * len(head)
    wrapper = textwrap.TextWrapper(STREAMS.width, head, under, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def percent(value: float | None) -> str:
    """A share, or n/a."""
    return "n/a" if value is None else f"{100 * value:.1f} %"


def mean_sd(mean: float | None, sd: float | None) -> str:
    """A mean share with its standard deviation, where there is one, both in percent; or n/a."""
    if mean is None:
        return "n/a"
    return f"{100 * mean:.1f}" + ("" if sd is None else f" ± {100 * sd:.1f}")


def bounds(interval: tuple[float, float] | None, sign: str = "") -> str:
    """An interval in percent, or n/a; with the sign `+`, each bound has one."""
    if interval is None:
        return "n/a"
    low, high = (100 * bound for bound in interval)
    return f"{low:{sign}.1f} to {high:{sign}.1f}"


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, or n/a."""
    return "n/a" if difference is None else f"{100 * difference:+.1f}"
