"""What is sent: the body of a request."""

import pytest

from promptcot.engines.openai.wire import body
from promptcot.records import Message, Request, Sampling


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


@pytest.mark.parametrize("start", ["<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>"])
def test_a_prompt_that_begins_itself_gets_no_second_start_token(start: str) -> None:
    assert body("m", Request(f"{start}Find x."))["add_special_tokens"] is False
    assert "add_special_tokens" not in body("m", Request("Find x."))
