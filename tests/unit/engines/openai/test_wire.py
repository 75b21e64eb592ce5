"""The words of the protocol: what is sent, what is read, and what each error status stands for."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.openai.told import retry_after
from promptcot.engines.openai.wire import Garbled, Gathered, body, failure, failure_in_body, parse_json, read_reply
from promptcot.errors import EngineError, EngineUnusable, TransientError
from promptcot.records import CONTENT_FILTER, Completion, Message, Request, Sampling

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "cases" / "http_faults.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_what_a_status_stands_for(case: dict[str, Any]) -> None:
    wait = retry_after(case.get("headers", {}).get("Retry-After"))
    error = failure(case["status"], case["body"].encode(), wait, "http://host/v1/completions")
    assert (type(error).__name__, error.cause) == (case["error"], case["cause"])
    assert f"http://host/v1/completions answers {case['status']}" in str(error)
    assert getattr(error, "retry_after", None) == case.get("retry_after")


def test_a_retry_after_that_is_a_date_is_the_time_until_then() -> None:
    wait = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert wait is not None
    assert 28 < wait <= 30


def test_a_long_error_is_shortened_and_a_byte_that_is_no_text_does_no_harm() -> None:
    assert len(str(failure(400, b"x" * 200_000, None, "u"))) < 700
    assert len(str(failure(400, b'{"error": {"message": "%s"}}' % (b"y" * 200_000), None, "u"))) < 700
    assert "400" in str(failure(400, b"\xff\xfe" * 10, None, "u"))


def test_the_servers_words_stand_in_the_error() -> None:
    assert "best_of is too large" in str(failure(400, b'{"error": {"message": "best_of is too large"}}', None, "u"))


IN_BODY: list[tuple[Any, type[EngineError], str]] = [
    ({"message": "no such key", "code": 401}, EngineUnusable, "unauthorised"),
    ({"message": "busy", "code": 429}, TransientError, "http 429"),
    ({"message": "boom"}, TransientError, "http 500"),
    ("boom", TransientError, "http 500"),
    ({"message": "true is no status", "code": True}, TransientError, "http 500"),
]


@pytest.mark.parametrize(("error", "kind", "cause"), IN_BODY)
def test_an_error_with_status_200(error: Any, kind: type[EngineError], cause: str) -> None:
    with pytest.raises(kind) as caught:
        read_reply({"error": error})
    assert caught.value.cause == cause == failure_in_body(error).cause


def choice(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"finish_reason": "stop", **fields}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


READABLE: list[tuple[str, dict[str, Any], Completion]] = [
    ("raw", choice(text="hi"), Completion("hi", "stop", 3, 2)),
    ("chat", choice(message={"role": "assistant", "content": "hi"}), Completion("hi", "stop", 3, 2)),
    ("nothing said", choice(message={"content": None}), Completion("", "stop", 3, 2)),
    ("no usage", {"choices": [{"text": "hi", "finish_reason": "length"}]}, Completion("hi", "length")),
    ("usage null", {**choice(text="hi"), "usage": None}, Completion("hi")),
    ("usage that is text", {**choice(text="hi"), "usage": "none"}, Completion("hi")),
    (
        "counts that are none",
        {**choice(text="hi"), "usage": {"prompt_tokens": "3", "completion_tokens": None}},
        Completion("hi"),
    ),
    ("an error of null beside choices", {**choice(text="hi"), "error": None}, Completion("hi", "stop", 3, 2)),
    (
        "content in parts",
        choice(message={"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        Completion("ab", "stop", 3, 2),
    ),
]


@pytest.mark.parametrize(("reply", "expected"), [case[1:] for case in READABLE], ids=[case[0] for case in READABLE])
def test_replies_that_can_be_read(reply: dict[str, Any], expected: Completion) -> None:
    assert read_reply(reply) == expected


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_comes_apart_is_put_back_in_front(field: str) -> None:
    reply = read_reply(choice(message={"content": "4", field: "2 + 2\n"}))
    assert reply.text == "<think>\n2 + 2\n</think>\n\n4"


def test_reasoning_that_comes_under_both_names_stands_there_once() -> None:
    message = {"content": "4", "reasoning_content": "sum", "reasoning": "sum"}
    assert read_reply(choice(message=message)).text.count("sum") == 1


UNREADABLE: list[dict[str, Any]] = [
    {},
    {"choices": []},
    {"choices": None},
    {"choices": [None]},
    {"choices": ["text"]},
    {"choices": {"0": {}}},
    choice(text=5),
    choice(message="text"),
    choice(message={"content": {"text": "x"}}),
    choice(text="x", finish_reason=None),
    choice(text="half a th", finish_reason="abort"),
    choice(text="half a th", finish_reason="error"),
]


@pytest.mark.parametrize("reply", UNREADABLE, ids=str)
def test_replies_that_cannot_be_read_are_asked_again(reply: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        read_reply(reply)


def test_refused_content_is_a_reply_since_it_may_have_been_paid_for() -> None:
    said = read_reply(choice(message={"content": None, "refusal": "I will not"}))
    assert (said.text, said.finish_reason) == ("I will not", CONTENT_FILTER)
    assert read_reply(choice(text="", finish_reason="content_filter")).finish_reason == CONTENT_FILTER


@pytest.mark.parametrize("count", [-5, True, "7", 1.5, None])
def test_a_count_that_is_none_is_not_known(count: Any) -> None:
    reply = {**choice(text="x", finish_reason="stop"), "usage": {"prompt_tokens": 3, "completion_tokens": count}}
    assert read_reply(reply).completion_tokens is None


HOSTILE_EVENTS: list[Any] = [None, 3, "text", [], {"choices": 5}, {"choices": ["x"]}, {"choices": [{"delta": "x"}]}]


@pytest.mark.parametrize("event", HOSTILE_EVENTS, ids=str)
def test_an_event_that_is_none_breaks_the_reply_off_and_not_the_run(event: Any) -> None:
    with pytest.raises(Garbled):
        Gathered().add_event(event)


def test_a_stream_of_events_is_one_reply() -> None:
    gathered = Gathered()
    for text in ("Let ", "x", " = 1"):
        gathered.add_event({"choices": [{"delta": {"content": text}, "finish_reason": None}]})
    with pytest.raises(Garbled, match="before the model did"):
        gathered.completion()
    gathered.add_event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    gathered.add_event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 4}})
    assert gathered.completion() == Completion("Let x = 1", "stop", 1, 4)


def test_reasoning_in_pieces_is_put_back_as_a_whole() -> None:
    gathered = Gathered(finish_reason="stop")
    for piece in ({"reasoning_content": "a"}, {"reasoning_content": "b"}, {"content": "c"}, {"content": "d"}):
        gathered.add_event({"choices": [{"delta": piece}]})
    assert gathered.completion().text == "<think>\nab\n</think>\n\ncd"


def test_what_has_its_neutral_value_is_not_sent() -> None:
    fields = body("m", Request(prompt="p", sampling=Sampling(max_tokens=10), seed=4))
    assert fields == {"model": "m", "prompt": "p", "max_tokens": 10, "temperature": 1.0, "seed": 4}


def test_everything_else_is_sent_except_what_the_server_does_not_take() -> None:
    sampling = Sampling(0.5, 0.9, 1.1, 4097, ("END",))
    request = Request(messages=(Message("user", "hi"),), sampling=sampling, seed=4)
    fields = body("m", request, omit=["seed", "stream_options"], extra={"top_k": 20, "temperature": 0.7})
    assert fields == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 4097,
        "temperature": 0.7,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "stop": ["END"],
        "stream": True,
        "top_k": 20,
    }


@pytest.mark.parametrize(("limit", "streams"), [(4096, False), (4097, True)])
def test_only_long_replies_are_streamed(limit: int, streams: bool) -> None:
    assert ("stream" in body("m", Request(prompt="p", sampling=Sampling(max_tokens=limit)))) is streams


NO_OBJECTS = [
    (b"<html>sign in</html>", "text/html; charset=utf-8", "garbled"),
    (b"", "", "garbled"),
    (b"[1]", "application/json", "garbled"),
    (b'{"choices": [{"te', "application/json", "broken-off"),
]


@pytest.mark.parametrize(("data", "kind", "cause"), NO_OBJECTS)
def test_what_is_no_json_object(data: bytes, kind: str, cause: str) -> None:
    with pytest.raises(Garbled, match="not a JSON object") as caught:
        parse_json(data, kind)
    assert caught.value.cause == cause


@pytest.mark.parametrize("start", ["<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>"])
def test_a_prompt_that_begins_itself_gets_no_second_start_token(start: str) -> None:
    assert body("m", Request(f"{start}Find x."))["add_special_tokens"] is False
    assert "add_special_tokens" not in body("m", Request("Find x."))
