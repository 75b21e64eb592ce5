"""Replies of all servers, whole and streamed, in pieces of any size."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest

from promptcot.engines.openai.payload import Garbled, parse_json
from promptcot.engines.openai.replies import Gathered, Incoming, before_stops, gather
from promptcot.errors import EngineError, EngineUnusable, RequestRefused, TransientError
from promptcot.records import CONTENT_FILTER, Completion
from tests.mutations import mutated
from tests.programs import computing_at_most
from tests.tables import cases, table

LIMIT = 9000


def read(body: bytes, kind: str, pieces: int | None = None, limit: int = LIMIT) -> Completion:
    """The reply in a body that comes in so many bytes at a time."""
    incoming = Incoming(limit, kind)
    size = pieces or max(1, len(body))
    for place in range(0, len(body), size):
        if incoming.feed(body[place : place + size]):
            break
    return incoming.end().completion(limit)


@pytest.mark.parametrize("pieces", [None, 1, 2, 7])
@pytest.mark.parametrize("case", cases("replies"))
def test_what_a_server_sends(case: dict[str, Any], pieces: int | None) -> None:
    body = case["body"].encode()
    if "cause" in case:
        with pytest.raises(EngineError) as caught:
            read(body, case["kind"], pieces)
        assert caught.value.cause == case["cause"]
        return
    reply = read(body, case["kind"], pieces)
    assert (reply.text, reply.finish_reason) == (case["text"], case["finish"])


@pytest.mark.parametrize(
    "piece",
    [
        b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % (b"z" * 1000),
        b"data: " + b"a" * 65536,
        b": ping\n\n" * 1000,
        b"\n" * 65536,
        b'{"x":"' + b"a" * 65536,
        b"<html>" + b"a" * 65536,
    ],
    ids=["events", "one line", "comments", "blank lines", "a body", "HTML"],
)
def test_what_never_ends_ends_as_that_calls_failure(piece: bytes) -> None:
    with pytest.raises(Garbled) as caught:
        read(piece * ((6 << 20) // len(piece)), "text/event-stream", len(piece), limit=4096)
    assert caught.value.cause == "too-large"


def test_a_megabyte_of_blank_lines_in_small_pieces_takes_no_time() -> None:
    with computing_at_most(5), pytest.raises(Garbled):
        read(b"\n" * (1 << 20), "application/json", 7, limit=4096)


def test_many_messages_in_a_stream_take_time_in_proportion_to_their_bytes() -> None:
    piece = b'data: {"choices":[{"message":{"content":"%s"}}]}\n\n' % (b"z" * 40)
    with computing_at_most(10), pytest.raises(Garbled):
        read(piece * 100_000, "text/event-stream", 1 << 16, limit=8192)


@pytest.mark.parametrize("delta", ['{"refusal":"no no"}', '{"content":["a","a","a"]}', '{"reasoning_content":"a"}'])
def test_many_small_pieces_take_time_in_proportion_to_their_number(delta: str) -> None:
    piece = b'data: {"choices":[{"delta":%s}]}\n\n' % delta.encode()
    with computing_at_most(10), suppress(Garbled):
        read(piece * 100_000, "text/event-stream", 1 << 16, limit=8192)


def test_many_parts_take_time_in_proportion_to_their_number() -> None:
    body = b'{"choices":[{"message":{"content":[%s"a"]},"finish_reason":"stop"}]}' % (b'"a",' * 1_000_000)
    with computing_at_most(10):
        assert len(read(body, "application/json").text) == 1_000_001


def test_a_long_reply_is_not_too_large() -> None:
    event = {"id": "x" * 40, "object": "chat.completion.chunk", "created": 1, "model": "m" * 60}
    event |= {"choices": [{"index": 0, "delta": {"content": "\u222b wo"}, "logprobs": None, "finish_reason": None}]}
    data = b"data: " + json.dumps(event).encode() + b"\n\n"
    incoming = Incoming(32768, "text/event-stream")
    for _ in range(32768):
        incoming.feed(data)
    incoming.feed(b"data: [DONE]\n\n")
    assert len(incoming.end().completion(40_000).text) == 4 * 32768


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
    assert gather(reply).completion() == expected


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
    choice(text="half a th", finish_reason="abort"),
    choice(text="half a th", finish_reason="error"),
]


@pytest.mark.parametrize("reply", UNREADABLE, ids=str)
def test_replies_that_cannot_be_read_are_asked_again(reply: dict[str, Any]) -> None:
    with pytest.raises(Garbled):
        gather(reply).completion()


def test_refused_content_is_a_reply_since_it_may_have_been_paid_for() -> None:
    said = gather(choice(message={"content": None, "refusal": "I will not"})).completion()
    assert (said.text, said.finish_reason) == ("I will not", CONTENT_FILTER)
    assert gather(choice(text="", finish_reason="content_filter")).completion().finish_reason == CONTENT_FILTER


@pytest.mark.parametrize("count", [-5, True, "7", 1.5, None, 10**30])
def test_a_count_that_is_none_is_not_known(count: Any) -> None:
    reply = {**choice(text="x", finish_reason="stop"), "usage": {"prompt_tokens": 3, "completion_tokens": count}}
    assert gather(reply).completion().completion_tokens is None


HOSTILE_EVENTS: list[Any] = [3, "text", [3], {"choices": 5}, {"choices": ["x"]}, {"choices": [{"delta": "x"}]}]


@pytest.mark.parametrize("event", HOSTILE_EVENTS, ids=str)
def test_an_event_that_is_none_breaks_the_reply_off_and_not_the_run(event: Any) -> None:
    with pytest.raises(Garbled):
        Gathered().add_event(event)


def test_a_stream_of_events_is_one_reply() -> None:
    gathered = Gathered()
    for text in ("Let ", "x", " = 1"):
        gathered.add_event({"choices": [{"delta": {"content": text}, "finish_reason": None}]})
    with pytest.raises(Garbled, match="before the model finished"):
        gathered.completion()
    gathered.add_event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    gathered.add_event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 4}})
    assert gathered.completion() == Completion("Let x = 1", "stop", 1, 4)


def test_end_tokens_that_were_taken_off_are_told() -> None:
    assert gather(choice(text="4 <|im_end|>\n</s>\n")).completion().end_tokens == "<|im_end|>\n</s>"


STOPS = [
    ("left in the text", "a cat. ", "stop", ("dog", "."), "a cat"),
    ("the first of several", "one two three", "stop", ("three", "two"), "one "),
    ("taken off by the server", "a cat", "stop", (".",), "a cat"),
    ("in the thinking", "<think>\nOh.\n</think>\nYes.", "stop", (".",), "<think>\nOh.\n</think>\nYes"),
    ("cut off", "a cat.", "length", (".",), "a cat."),
    ("none was asked for", "a cat.", "stop", (), "a cat."),
]


@pytest.mark.parametrize(("text", "reason", "stops", "left"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_a_completion_ends_before_its_stop_string(text: str, reason: str, stops: tuple[str, ...], left: str) -> None:
    assert before_stops(Completion(text, reason, 1, 2), stops) == Completion(left, reason, 1, 2)


NO_OBJECTS = [
    (b"<html>sign in</html>", "text/html; charset=utf-8", "garbled"),
    (b"", "", "garbled"),
    (b"[1]", "application/json", "garbled"),
    (b'{"choices": [{"te', "application/json", "broken-off"),
    (b"[" * 100_000 + b"]" * 100_000, "application/json", "broken-off"),
]


@pytest.mark.parametrize(("data", "kind", "cause"), NO_OBJECTS, ids=["HTML", "nothing", "a list", "cut", "deep"])
def test_what_is_no_json_object(data: bytes, kind: str, cause: str) -> None:
    with pytest.raises(Garbled, match="not a JSON object") as caught:
        parse_json(data, kind)
    assert caught.value.cause == cause


SEEDS = [(row["body"].encode(), row["kind"]) for row in table("replies") if len(row["body"]) < 2000]


@pytest.mark.parametrize("block", range(10))
def test_whatever_comes_is_a_reply_or_one_of_the_three_errors(block: int) -> None:
    """Mutations of the table; benchmarks/fuzz_wire.py does the same over HTTP, for as long as one likes."""
    draws = random.Random(block)
    for _ in range(400):
        body, kind = draws.choice(SEEDS)
        try:
            read(mutated(body, draws), kind, draws.choice([None, 1, 3, 50]), draws.choice([1, 50, LIMIT]))
        except (TransientError, RequestRefused, EngineUnusable):
            continue
