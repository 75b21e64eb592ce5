"""Waiting times in the headers and messages of providers."""

import time
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from promptcot.engines.openai.waits import requested_wait

TOLD = [
    ({"Retry-After": "20"}, b"", 20.0),
    ({"Retry-After": "20", "retry-after-ms": "1200"}, b"try again in 3s", 20.0),
    ({"Retry-After-Ms": "1200"}, b"", 1.2),
    ({"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "1.2s"}, b"", 1.2),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, b"", 360.0),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "17ms"}, b"", 0.017),
    (
        {
            **{"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "8h"},
            **{"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"},
        },
        b"",
        2.0,
    ),
    ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "8h"}, b"", None),
    ({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0"}, b"", None),
    ({"RateLimit-Remaining": "0", "RateLimit-Reset": "5"}, b"", 5.0),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, b"", None),
    ({}, b"Rate limit reached. Please try again in 1.2s.", 1.2),
    ({}, b"Please try again in 6m0s. Visit", 360.0),
    ({}, b"Please retry after 20 seconds.", 20.0),
    ({}, b"try again in 350ms", 0.35),
    ({}, b"Please wait for 2 minutes", 120.0),
    ({}, b"Rate limit exceeded: free-models-per-min. ", None),
    ({}, b"try again in a while", None),
    ({}, b"\xff\xfe", None),
]


@pytest.mark.parametrize(("headers", "words", "right"), TOLD)
def test_how_long_to_wait(headers: dict[str, str], words: bytes, right: float | None) -> None:
    assert requested_wait(429, CIMultiDict(headers), words) == (None if right is None else pytest.approx(right))


@pytest.mark.parametrize("kind", ["seconds", "milliseconds", "a date"])
def test_a_moment_is_told_from_a_time(kind: str) -> None:
    seconds = time.time() + 1000
    texts = {
        "seconds": f"{seconds:.0f}",
        "milliseconds": f"{1000 * seconds:.0f}",
        "a date": datetime.fromtimestamp(seconds, UTC).isoformat(),
    }
    names = "anthropic-ratelimit-requests-{}" if kind == "a date" else "x-ratelimit-{}"
    headers = {names.format("remaining"): "0", names.format("reset"): texts[kind]}
    found = requested_wait(429, CIMultiDict(headers))
    assert found is not None
    assert 0 < found <= 1001


def test_what_a_refusal_tells_of_allowances_is_no_wait() -> None:
    headers = CIMultiDict({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8h"})
    assert requested_wait(400, headers, b"try again in 2 hours") is None
    assert requested_wait(400, CIMultiDict({"Retry-After": "3"})) == 3.0
