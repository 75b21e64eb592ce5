"""Errors of servers: the kind of error, the length that would fit, the fields to leave out."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from promptcot.engines.openai.limits import Room, room_left
from promptcot.engines.openai.payload import Garbled, value_of
from promptcot.engines.openai.refusals import failure, failure_in_body
from promptcot.engines.openai.replies import Gathered, gather
from promptcot.engines.openai.waits import retry_after
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from tests.tables import cases


@pytest.mark.parametrize("case", cases("http_faults"))
def test_what_a_status_stands_for(case: dict[str, Any]) -> None:
    wait = retry_after(case.get("headers", {}).get("Retry-After"))
    error = failure(case["status"], case["body"].encode(), wait, "http://host/v1/completions")
    assert (type(error).__name__, error.cause) == (case["error"], case["cause"])
    assert f"http://host/v1/completions answers {case['status']}" in str(error)
    assert getattr(error, "retry_after", None) == case.get("retry_after")


@pytest.mark.parametrize("case", cases("refusals"))
def test_what_the_words_of_a_server_mean(case: dict[str, Any]) -> None:
    error = failure(case["status"], case["body"].encode(), None, "http://host/v1/completions")
    assert (type(error).__name__, error.cause) == (case["error"], case["cause"])
    if isinstance(error, RequestRefused):
        always = "context" not in case and not case.get("of this prompt")
        room = Room(case["room"], case.get("context"), always) if "room" in case else None
        assert room_left(str(error)) == room
    if "omit" in case:
        assert f"--omit {case['omit']}" in str(error)


def test_a_retry_after_that_is_a_date_is_the_time_until_then() -> None:
    wait = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert wait is not None
    assert 28 < wait <= 30


def test_a_long_error_is_shortened_and_a_byte_that_is_no_text_does_no_harm() -> None:
    assert len(str(failure(400, b"x" * 200_000, None, "u"))) < 700
    assert len(str(failure(400, b'{"error": {"message": "%s"}}' % (b"y" * 200_000), None, "u"))) < 700
    assert "400" in str(failure(400, b"\xff\xfe" * 10, None, "u"))


def test_an_error_that_is_nested_too_deeply_is_an_error_like_any_other() -> None:
    assert failure(503, b"[" * 100_000 + b"]" * 100_000, None, "u").cause == "http 503"


@pytest.mark.parametrize("depth", [200, 300, 900, 1000, 100_000])
def test_however_deep_an_error_is_nested_it_is_one_of_the_three(depth: int) -> None:
    body = b'{"error":' * depth + b"1" + b"}" * depth
    assert isinstance(failure(400, body, None, "u"), EngineError)
    if depth <= 1000:
        assert isinstance(failure_in_body(value_of(body)), EngineError)
        with pytest.raises(Garbled):
            Gathered().add_event({"choices": [value_of(b"[" * depth + b"]" * depth)]})


def test_the_servers_words_stand_in_the_error() -> None:
    assert "best_of is too large" in str(failure(400, b'{"error": {"message": "best_of is too large"}}', None, "u"))


IN_BODY: list[tuple[Any, type[EngineError], str]] = [
    ({"message": "no such key", "code": 401}, EngineUnusable, "unauthorised"),
    ({"message": "busy", "code": 429}, TransientError, "http 429"),
    ({"message": "busy", "code": "429"}, TransientError, "http 429"),
    ({"message": "boom"}, TransientError, "http 500"),
    ("boom", TransientError, "http 500"),
    ({"message": "true is no status", "code": True}, TransientError, "http 500"),
    ({"message": "prompt is too long: 9 tokens > 8 maximum"}, RequestRefused, "over-long"),
    ({"message": "`inputs` must have less than 9 tokens", "http_status_code": 422}, RequestRefused, "over-long"),
]


@pytest.mark.parametrize(("error", "kind", "cause"), IN_BODY)
def test_an_error_with_status_200(error: Any, kind: type[EngineError], cause: str) -> None:
    with pytest.raises(kind) as caught:
        gather({"error": error})
    assert caught.value.cause == cause == failure_in_body(error).cause
    assert not isinstance(caught.value, Garbled)
