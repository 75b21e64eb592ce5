"""Formats the numbers and lines of the dry run of `train`."""

from __future__ import annotations

from promptcot.cli.report.layout import hanging
from promptcot.training.forecast.devices import GIB


def item(name: str, text: str) -> str:
    """A name and its text, wrapped with a hanging indent."""
    return hanging(f"  {name:<14}", text)


def count(number: float) -> str:
    """A number as 1.78 B, 24.5 M, or in full below a hundred thousand."""
    for unit, size in ((" T", 1e12), (" B", 1e9), (" M", 1e6)):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return f"{number:,.0f}"


def sized(size: float) -> str:
    """Bytes."""
    if size >= 1000 * GIB:
        return f"{size / GIB / 1024:,.2f} TiB"
    if size >= 0.05 * GIB or size == 0:
        return f"{size / GIB:,.1f} GiB"
    return f"{size / (1 << 20):,.1f} MiB" if size >= 0.05 * (1 << 20) else f"{size / (1 << 10):,.1f} KiB"


def hours(number: float) -> str:
    """Hours, or minutes if there are few."""
    return f"{number:,.0f} h" if number >= 10 else f"{number:.1f} h" if number >= 0.1 else f"{number * 60:.1f} min"
