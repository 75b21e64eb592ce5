"""Several servers behind one engine: a failing one gets fewer calls, a dead one none, and a key is never repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.openai.servers import Server
from promptcot.errors import EngineError, EngineUnusable, TransientError
from promptcot.pipeline.execute import run_stage
from promptcot.pipeline.run import load_spent
from promptcot.recipe.schema import Model, Price
from promptcot.records import Request, Sampling
from promptcot.runners.local import LocalRunner
from promptcot.stages.generate import Generate
from promptcot.storage.budget import Budget
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from tests.unit.engines.http_servers import served

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GOOD = {"choices": [{"text": "x", "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
NOWHERE = "http://127.0.0.1:1/v1"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


async def good(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.02)
    return web.json_response(GOOD)


async def test_a_server_that_fails_at_once_does_not_draw_all_calls() -> None:
    failed = 0

    async def broken(request: web.Request) -> web.StreamResponse:
        nonlocal failed
        failed += 1
        return web.Response(status=500, text="no")

    async with serving(good) as one, serving(broken) as other:
        engine = OpenAIEngine("m", served(other, one, api_key_env=""))
        answers = [await _fate(engine, seed) for seed in range(60)]
        await engine.close()
    assert answers.count("ok") > 50
    assert failed < 10


async def test_a_server_that_failed_is_tried_with_one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its pause it looks idle: all calls would go there, and be turned away."""
    monkeypatch.setattr("promptcot.engines.openai.servers.Server.leave_alone", _at_once)
    together, most = 0, 0

    async def limited(request: web.Request) -> web.StreamResponse:
        nonlocal together, most
        together += 1
        most = max(most, together)
        await asyncio.sleep(0.05)
        together -= 1
        return web.Response(status=429)

    async with serving(good) as one, serving(limited) as other:
        engine = OpenAIEngine("m", served(other, one, api_key_env=""))
        await asyncio.gather(*(_fate(engine, seed) for seed in range(2)))  # one each
        most = 0
        await asyncio.gather(*(_fate(engine, seed) for seed in range(12)))
        await engine.close()
    assert most == 1


def _at_once(server: Server, error: TransientError) -> None:
    server.failures += 1


async def test_a_server_that_asks_for_hours_stops_nothing_while_another_answers() -> None:
    async def used_up(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "7200"})

    async with serving(good) as one, serving(used_up) as other:
        engine = OpenAIEngine("m", served(other, one, api_key_env=""))
        with pytest.raises(TransientError, match="wait 120 minutes"):
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        assert [await _fate(engine, seed) for seed in range(5)] == ["ok"] * 5
        await engine.close()
    async with serving(used_up) as one, serving(used_up) as other:
        engine = OpenAIEngine("m", served(other, one, api_key_env=""))
        with pytest.raises(TransientError):
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        with pytest.raises(EngineUnusable, match="run the same command again then"):
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        await engine.close()


async def test_one_dead_address_of_two_is_left_out_and_two_are_told() -> None:
    async with serving(good) as alive:
        engine = OpenAIEngine("m", served(NOWHERE, alive, api_key_env=""))
        fates = [await _fate(engine, seed) for seed in range(5)]
        await engine.close()
    assert fates.count("ok") >= 4
    engine = OpenAIEngine("m", served(NOWHERE, "http://127.0.0.1:2/v1", api_key_env=""))
    told = [await _fate(engine, seed) for seed in range(3)]
    await engine.close()
    assert any("nothing answers" in fate for fate in told)


async def _fate(engine: OpenAIEngine, seed: int) -> str:
    try:
        await engine.complete(Request("p", seed=seed, sampling=Sampling(max_tokens=4)))
    except EngineError as error:
        return str(error)
    return "ok"


async def test_what_stops_at_first_is_passing_once_the_server_has_answered() -> None:
    count = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.json_response(GOOD) if count == 1 else web.Response(status=404, text="no healthy upstream")

    async with serving(handler) as url:
        engine = OpenAIEngine("m", served(url, api_key_env=""))
        await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        with pytest.raises(TransientError, match="no healthy upstream"):
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        await engine.close()


RENAMED = {
    "404": (404, {"error": {"message": "The model `m` does not exist."}}),
    "400": (400, {"error": {"message": "model not found", "code": "model_not_found"}}),
}


@pytest.mark.parametrize("kind", RENAMED)
async def test_a_model_that_was_renamed_stops_the_run_when_it_stays_away(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, words = RENAMED[kind]
    count = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal count
        if request.method == "GET":
            return web.json_response({"data": [{"id": "m-2"}]})
        count += 1
        return web.json_response(GOOD) if count == 1 else web.json_response(words, status=status)

    async with serving(handler) as url:
        engine = OpenAIEngine("m", served(url, api_key_env=""))
        await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        with pytest.raises(TransientError):
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        monkeypatch.setattr("promptcot.engines.openai.servers._PASSES", 0.0)
        for _ in range(3):
            with pytest.raises(TransientError):
                await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        with pytest.raises(EngineUnusable, match="it lists m-2") as caught:
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        await engine.close()
    assert "It answered before" in str(caught.value)


async def test_a_server_that_denies_the_model_stops_nothing_while_another_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("promptcot.engines.openai.servers._PASSES", 0.0)
    count = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.json_response(GOOD) if count == 1 else web.Response(status=404, text="no such model")

    async with serving(good) as one, serving(handler) as other:
        engine = OpenAIEngine("m", served(other, one, api_key_env=""))
        fates = [await _fate(engine, seed) for seed in range(20)]
        await engine.close()
    assert fates.count("ok") >= 15
    assert not any("It answered before" in fate for fate in fates)


async def test_a_key_that_expires_is_told_from_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret")
    count = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        return web.json_response(GOOD) if count == 1 else web.json_response({"error": "expired"}, status=401)

    async with serving(handler) as url:
        engine = OpenAIEngine("m", served(url, api_key_env="A_KEY"))
        await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        with pytest.raises(EngineUnusable, match=r"worked until now.*\n.*variable A_KEY$") as caught:
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        await engine.close()
    assert caught.value.cause == "unauthorised"


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_key_that_a_server_repeats_is_not_repeated(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret\n")

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": request.headers["Authorization"]}}, status=status)

    async with serving(echo) as url:
        engine = OpenAIEngine("m", served(url, api_key_env="A_KEY"))
        with pytest.raises(EngineError) as caught:
            await engine.complete(Request("p", sampling=Sampling(max_tokens=4)))
        await engine.close()
    assert "Bearer ***" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_key_with_a_line_break_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-one\nsk-two")
    with pytest.raises(EngineUnusable, match="line break"):
        OpenAIEngine("m", served(NOWHERE, api_key_env="A_KEY"))


async def test_refused_content_is_paid_once_and_a_failed_row(tmp_path: Path) -> None:
    folder, asked = tmp_path, 0

    async def refuse(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
        return web.json_response({"choices": [{"text": "no", "finish_reason": "content_filter"}], "usage": usage})

    model = Model(model="m", base_url=["http://x/v1"], price=Price(prompt=2.0, completion=1.0))
    async with serving(refuse) as url:
        for _ in range(2):
            engine, budget = OpenAIEngine("m", served(url, api_key_env="")), Budget(100.0)
            with Output(folder / "o.jsonl", "generate") as output, Journal(folder / "j") as journal:
                load_spent(journal, output.counts, model.priced, budget)
                stage, runner = Generate(model.sampling, 1), LocalRunner(budget=budget)
                await run_stage(stage, [{"id": "1", "prompt": "p"}], engine, runner, output, journal)
                output.commit()
            await engine.close()
            assert output.counts.failed == {"content-refused": 1}
            assert output.counts.cost == 2.0
    assert asked == 1
    assert "no" in (folder / "o.failed.jsonl").read_text()


def test_the_cap_counts_the_limits_that_extra_body_sets() -> None:
    price = Price(prompt=0.0, completion=10.0)
    model = Model(model="m", base_url=["http://x/v1"], price=price, extra_body={"max_completion_tokens": 200_000})
    assert model.priced is not None
    assert model.priced.longest == 200_000
