"""Decides which call gets which fault, and its latency: pure functions of the server's seed and the call.

Faults come in a fixed order. The fault of a call depends on how many faults it has had before, so a retry gets a new
draw, and a run that was interrupted and repeated gets the same faults.
"""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist

from promptcot.mock_server.options import FAULTS, Fault, MockOptions

_NORMAL = NormalDist()


def uniform(seed: int, purpose: str, key: bytes, number: int = 0) -> float:
    """A number in (0, 1), the same whenever the arguments are."""
    drawn = hashlib.blake2b(key, digest_size=8, key=f"{purpose} {seed} {number}".encode()[:64])
    return (int.from_bytes(drawn.digest()[:6], "big") + 0.5) / 2**48


def fault_of(options: MockOptions, key: bytes, met: int) -> Fault | None:
    """The fault of the call with `key` that arrives after `met` faults, or None for an answer.

    A content refusal is permanent: the same content is refused on every attempt.
    """
    rates = dict(zip(FAULTS, options.rates, strict=True))
    refused = uniform(options.seed, "refusal", key) < rates.pop("refusal")
    drawn = uniform(options.seed, "fault", key, met)
    for fault, rate in rates.items():
        if drawn < rate:
            return fault
        drawn -= rate
    return "refusal" if refused else None


def retry_after(options: MockOptions, key: bytes, met: int) -> float | None:
    """The seconds in the header of a 429; None for no `Retry-After`."""
    has_one = uniform(options.seed, "retry", key, met) < options.retry_after_share
    return options.retry_after if has_one else None


def latency_of(options: MockOptions, key: bytes, met: int) -> float:
    """Seconds, log-normal with the mean `options.latency`: exp(m + s z) has the mean exp(m + s²/2)."""
    spread = options.latency_spread
    if not spread or not options.latency:
        return options.latency
    deviate = _NORMAL.inv_cdf(uniform(options.seed, "latency", key, met))
    return options.latency * math.exp(spread * deviate - spread**2 / 2)
