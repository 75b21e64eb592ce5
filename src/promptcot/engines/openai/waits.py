"""Reads how long a server that rejects a call asks the client to wait, from its headers and error message.

`Retry-After` comes first. Headers with the time of a quota's reset count only if the quota is used up: a call can be
rejected for its tokens while requests are left. Headers with the size of a quota are ignored, since providers mean
different periods by them (OpenAI a minute, Groq a day).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_TURNS_AWAY = {429, 503, 529}
_PREFIXES = ("x-ratelimit-", "ratelimit-", "anthropic-ratelimit-")
_KINDS = ("", "requests", "tokens", "input-tokens", "output-tokens")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_LONG_UNIT = re.compile(r"\s*(milliseconds?|sec(?:ond)?s?|min(?:ute)?s?|hours?)")
_EPOCH, _EPOCH_MS = 1e9, 1e12
_WORDS = re.compile(
    r"(?:try again|retry|please wait|available)\s+(?:in|after|for)\s+(?:about\s+)?"
    r"((?:\d+(?:\.\d+)?(?:ms|[smhd]))+|\d+(?:\.\d+)?\s*(?:milliseconds?|sec(?:ond)?s?|min(?:ute)?s?|hours?))\b",
    re.IGNORECASE,
)


def requested_wait(status: int, headers: Mapping[str, str], words: bytes = b"") -> float | None:
    """Seconds to wait, or None if the server does not say. `headers` are case-insensitive.

    Everything except `Retry-After` counts only in a rejection: other answers report quotas too.
    """
    found = retry_after(headers.get("Retry-After"))
    if found is not None or status not in _TURNS_AWAY:
        return found
    if (found := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, found / 1000)
    if (found := max(_renewals(headers), default=None)) is not None:
        return found
    return _in_words(words)


def retry_after(header: str | None) -> float | None:
    """Seconds in a `Retry-After` header: a number, or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    if (seconds := _number(header)) is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def _renewals(headers: Mapping[str, str]) -> Iterator[float]:
    """The reset times of exhausted quotas."""
    for prefix in _PREFIXES:
        for kind in _KINDS:
            remaining, reset = (f"{prefix}{word}{kind and '-'}{kind}" for word in ("remaining", "reset"))
            if prefix.startswith("anthropic"):
                remaining, reset = (f"{prefix}{kind}-{word}" for word in ("remaining", "reset"))
            if _number(headers.get(remaining)) == 0 and (found := _until(headers.get(reset, ""))) is not None:
                yield found


def _until(text: str) -> float | None:
    """Seconds until then: `1.2s`, `6m0s`, seconds, or a time, as seconds or milliseconds since 1970 or a date."""
    text = text.strip().lower()
    if (number := _number(text)) is not None:
        moment = number / 1000 if number >= _EPOCH_MS else number
        return max(0.0, moment - time.time() if number >= _EPOCH else moment)
    if text and not _PART.sub("", text):
        return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text))
    try:
        return max(0.0, datetime.fromisoformat(text.upper()).timestamp() - time.time())
    except ValueError:
        return None


def _in_words(words: bytes) -> float | None:
    """`Please try again in 1.2s`, `… in 6m0s`, `… after 20 seconds`."""
    match = _WORDS.search(words[:4096].decode(errors="replace"))
    if match is None:
        return None
    return _until(_LONG_UNIT.sub(_short, match[1].lower()))


def _short(unit: re.Match[str]) -> str:
    return "ms" if unit[1].startswith("milli") else unit[1][0]


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
