"""Formats durations, sizes, counts and shares for people."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 0 rows, 1 row, 2 rows, 3,000 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share in percent; one between 0 and 1 is never rounded to 0% or 100%."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A number of bytes, with three digits and the largest power of 1,000."""
    return scaled(count, ("PB", "TB", "GB", "MB", "kB")) if count >= 999.5 else f"{count:.0f} B"


def scaled(value: float, words: tuple[str, ...]) -> str:
    """A value of at least 999.5, with three digits and the word for its largest power of 1,000."""
    powers = zip((1e15, 1e12, 1e9, 1e6, 1e3), words, strict=True)
    three, word = next((value / power, word) for power, word in powers if value >= 0.9995 * power)
    return f"{three:.{2 if three < 9.995 else 1 if three < 99.95 else 0}f} {word}"
