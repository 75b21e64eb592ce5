"""Parsing calls: when two calls are the same, and the errors for invalid ones."""

from typing import Any

import orjson
import pytest

from promptcot.mock_server.bodies import cut
from promptcot.mock_server.calls import Call, Endpoint, Refused, read_call

BODY: dict[str, Any] = {"model": "mock", "prompt": "Write a problem.", "temperature": 1.0, "seed": 1}


def call(endpoint: Endpoint = "completions", context: int | None = None, **changes: Any) -> Call:
    given = {name: value for name, value in {**BODY, **changes}.items() if value is not ...}
    return read_call(endpoint, orjson.dumps(given), ["mock", "other"], context)


@pytest.mark.parametrize("changes", [{"max_tokens": 5}, {"stream": True, "stream_options": {"include_usage": True}}])
def test_how_much_is_wanted_and_how_it_is_sent_do_not_make_another_call(changes: dict[str, Any]) -> None:
    assert call(**changes).key == call().key


@pytest.mark.parametrize("changes", [{"seed": 2}, {"temperature": 0.5}, {"prompt": "x"}, {"model": "other"}, {"n": 2}])
def test_everything_else_makes_another_call(changes: dict[str, Any]) -> None:
    assert call(**changes).key != call().key


def test_a_raw_completion_has_sixteen_tokens_unless_it_says_otherwise() -> None:
    assert call().max_tokens == 16
    assert call("chat/completions", messages=[{"role": "user", "content": "x"}]).max_tokens is None


@pytest.mark.parametrize(
    ("given", "texts", "tokens"),
    [
        ("abcdefgh", ["abcdefgh"], 2),
        (["abcd", "x"], ["abcd", "x"], 2),
        ([1, 2, 3], ["1 2 3"], 3),
        ([[1, 2], [3]], ["1 2", "3"], 3),
    ],
)
def test_all_forms_of_a_prompt_are_read(given: object, texts: list[str], tokens: int) -> None:
    read = call(prompt=given)
    assert ([prompt.text for prompt in read.prompts], read.prompt_tokens) == (texts, tokens)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"model": ...}, 400, "`model`"),
        ({"model": "gpt"}, 404, "`gpt` does not exist"),
        ({"prompt": ...}, 400, "`prompt`"),
        ({"prompt": []}, 400, "`prompt`"),
        ({"max_tokens": 0}, 400, "`max_tokens`"),
        ({"n": "two"}, 400, "`n`"),
        ({"stream": True, "prompt_logprobs": 1}, 400, "prompt_logprobs"),
    ],
)
def test_a_malformed_call_is_refused_with_what_is_wrong(changes: dict[str, Any], status: int, words: str) -> None:
    with pytest.raises(Refused) as raised:
        call(**changes)
    assert raised.value.status == status
    assert words in raised.value.message


@pytest.mark.parametrize("messages", [None, [], ["x"], [{"role": "user"}], [{"content": "x"}]])
def test_a_chat_without_proper_messages_is_refused(messages: object) -> None:
    with pytest.raises(Refused):
        call("chat/completions", messages=messages)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"'])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        read_call("completions", raw, ["mock"], None)


def test_prompt_and_completion_together_fill_the_context_and_no_more() -> None:
    assert call(context=14, max_tokens=10).max_tokens == 10
    with pytest.raises(Refused, match="maximum context length is 13 tokens"):
        call(context=13, max_tokens=10)


@pytest.mark.parametrize(
    ("changes", "room", "text", "reason"),
    [
        ({"max_tokens": 3}, None, "abcdefghij", "stop"),
        ({"max_tokens": 2}, None, "abcdefgh", "length"),
        ({"max_tokens": 3}, 1, "abcd", "length"),
        ({"max_tokens": 3, "stop": ["hi", "ef"]}, None, "abcd", "stop"),
        ({"max_tokens": 1, "stop": "hi"}, None, "abcd", "length"),
    ],
)
def test_a_reply_ends_where_it_must(changes: dict[str, Any], room: int | None, text: str, reason: str) -> None:
    choice = cut("abcdefghij", call(**changes), room)
    assert (choice.text, choice.finish_reason) == (text, reason)
