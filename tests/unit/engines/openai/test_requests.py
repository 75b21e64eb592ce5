"""Requests: every field of the recipe's sampling, without fields that a server does not accept."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from promptcot.engines.openai.requests import body
from promptcot.errors import EngineError
from promptcot.records import Message, Request, Sampling
from tests.unit.engines.http_servers import ASK, GOOD, Handler, asking, serving

KEYS = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "cases" / "request_keys.jsonl").read_text(encoding="utf-8").splitlines()
]


def request_of(told: dict[str, Any]) -> Request:
    sampling = {**told.get("sampling", {})}
    sampling["stop"] = tuple(sampling.get("stop", ()))
    turns = tuple(Message(role, content) for role, content in told.get("messages", ()))
    rest = {name: value for name, value in told.items() if name not in ("messages", "sampling")}
    return Request(messages=turns, sampling=Sampling(**sampling), **rest)


@pytest.mark.parametrize("case", KEYS, ids=[case["case"] for case in KEYS])
def test_the_key_of_a_call_stays_what_journals_have(case: dict[str, Any]) -> None:
    assert request_of(case["request"]).key(case["model"]) == case["key"]


def test_a_field_of_sampling_enters_the_key_where_it_is_set_even_to_a_neutral_value() -> None:
    several = [
        Sampling(),
        Sampling(top_k=20),
        Sampling(min_p=0.0),
        Sampling(min_p=0.05),
        Sampling(presence_penalty=0.0),
        Sampling(presence_penalty=1.5),
    ]
    assert len({Request("p", sampling=one).key("m") for one in several}) == len(several)


def test_neutral_values_are_sent_too_since_a_server_may_have_other_defaults() -> None:
    fields = body("m", Request(prompt="p", sampling=Sampling(max_tokens=10), seed=4))
    drawn = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0}
    assert fields == {"model": "m", "prompt": "p", "max_tokens": 10, "seed": 4, **drawn}


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


@pytest.mark.parametrize(
    ("name", "value"), [("top_k", 1), ("min_p", 0.0), ("presence_penalty", 0.0), ("presence_penalty", -2.0)]
)
def test_what_hosted_models_refuse_is_sent_where_it_is_set(name: str, value: float) -> None:
    assert body("m", Request("p", sampling=Sampling(**{name: value})))[name] == value  # type: ignore[arg-type]


@pytest.mark.parametrize("start", ["<｜begin▁of▁sentence｜>", "<|begin_of_text|>", "<s>"])
def test_a_prompt_that_begins_itself_gets_no_second_start_token(start: str) -> None:
    assert body("m", Request(f"{start}Find x."))["add_special_tokens"] is False
    assert "add_special_tokens" not in body("m", Request("Find x."))


REFUSALS: list[tuple[str, int, Any, set[str]]] = [
    ("OpenAI", 400, {"error": {"message": "Unrecognized request argument supplied: {}"}}, {"repetition_penalty"}),
    ("a model that thinks", 400, {"error": {"message": "Unsupported parameter: '{}' is not supported."}}, {"top_p"}),
    ("Groq", 400, {"error": {"message": "property '{}' is unsupported"}}, {"repetition_penalty"}),
    ("FastAPI", 422, {"detail": [{"loc": ["body", "{}"], "msg": "Extra inputs"}]}, {"repetition_penalty", "top_p"}),
]


def refusing(status: int, words: Any, names: set[str], seen: list[set[str]]) -> Handler:
    """A server that does not know some fields, and names the first of them that it meets."""

    async def handle(request: web.Request) -> web.StreamResponse:
        fields = await request.json()
        seen.append(set(fields))
        if found := sorted(names & set(fields)):
            return web.Response(status=status, text=json.dumps(words).replace("{}", found[0]))
        return web.json_response(GOOD)

    return handle


@pytest.mark.parametrize(("status", "words", "names"), [case[1:] for case in REFUSALS], ids=[c[0] for c in REFUSALS])
def test_a_neutral_field_that_a_server_does_not_know_is_left_out_from_then_on(
    status: int, words: Any, names: set[str]
) -> None:
    seen: list[set[str]] = []

    async def ask_twice() -> None:
        async with serving(refusing(status, words, names, seen)) as root, asking(f"{root}/v1") as engine:
            assert (await engine.complete(ASK)).text == "4"
            assert (await engine.complete(ASK)).text == "4"
            assert engine.model == "m"  # the same sampling, so the same name in the journal

    asyncio.run(ask_twice())
    assert len(seen) == len(names) + 2
    assert not names & seen[-1]


@pytest.mark.parametrize(
    ("sampling", "named"),
    [(Sampling(repetition_penalty=1.05), "repetition_penalty"), (Sampling(top_p=0.9), "top_p"), (Sampling(), "seed")],
)
def test_a_field_that_changes_something_is_never_left_out_silently(sampling: Sampling, named: str) -> None:
    seen: list[set[str]] = []

    async def ask() -> None:
        async with serving(refusing(400, REFUSALS[1][2], {named}, seen)) as root, asking(f"{root}/v1") as engine:
            with pytest.raises(EngineError, match=named):
                await engine.complete(Request("p", sampling=sampling))

    asyncio.run(ask())
    assert len(seen) == 1
